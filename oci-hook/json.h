/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef OCI_HOOK_JSON_H
#define OCI_HOOK_JSON_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/vec.h"

/* A value of JSON, in an arena.  What is not changed is written as it was read. */
enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
	enum json_type type;
	const char *name; /* in an object, else NULL */
	const char *text; /* of a string, or a number or literal as it stands there */
	vec(struct json *) items;
};

/* @text ends with NUL; -EBADMSG: it is no JSON. */
int json_of_text(struct arena *a, const char *text, struct json **ret, struct err *err);

/* The file at @path, which errors name. */
int json_read(struct arena *a, const char *path, struct json **ret, struct err *err);

/* As text. */
char *json_text(struct arena *a, const struct json *j);

/* Instead of the file at @path, at once or not at all, with its mode (else 0600). */
int json_write(struct arena *a, const struct json *j, const char *path, struct err *err);

/* With "." between the names: "process.user.uid"; NULL: there is no such thing, or @j is NULL. */
struct json *json_find(const struct json *j, const char *path);
/* One name, which may have dots. */
struct json *json_member(const struct json *object, const char *name);
/* Its text if it is a string, else NULL. */
const char *json_string_at(const struct json *j, const char *path);
bool json_is_true(const struct json *j, const char *path);
/* 0: it is not there. */
long json_number_at(const struct json *j, const char *path);

struct json *json_new(struct arena *a, enum json_type type, const char *text);
/* @value becomes the member @name of @object, instead of one that is there. */
void json_set(struct arena *a, struct json *object, const char *name, struct json *value);
void json_remove(struct json *object, const char *name);
void json_append(struct arena *a, struct json *array, struct json *value);

#endif
