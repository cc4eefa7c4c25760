/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * show_image - a file that is an image, wherever it is and whatever its name
 *
 * Images are read and written through a store that has this one file.  The type
 * is that of the magic; only if the name is one that an image can have do errors
 * use it, because they then find their way to the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/list.h"
#include "images/image.h"
#include "show_image.h"
#include "show_message.h"
#include "show_payload.h"

/* ---- a store of one file ---- */

struct one_file {
	struct store store;
	int fd; /* borrowed */
};

static int one_file_open(struct store *s, const char *name, int *fd_ret, struct err *err)
{
	struct one_file *one = container_of(s, struct one_file, store);
	int fd = fcntl(one->fd, F_DUPFD_CLOEXEC, 3);

	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, "cannot use %s%s", s->label, name);
	*fd_ret = fd;
	return 0;
}

static int one_file_create(struct store *s, const char *name, struct err *err)
{
	int fd = -1;

	return one_file_open(s, name, &fd, err) < 0 ? -err->code : fd;
}

static int one_file_remove(struct store *s, const char *name, struct err *err)
{
	return 0;
}

static const struct store_ops one_file_ops = {
	.open = one_file_open,
	.create = one_file_create,
	.remove = one_file_remove,
};

/* ---- which image? ---- */

/* As the JSON calls it: the first of those that share a magic. */
static const char *name_of_type(enum image_type type)
{
	image_type_by_magic(image_info(type)->magic, &type);
	return image_info(type == IMAGE_BINFMT_MISC_OLD ? IMAGE_BINFMT_MISC : type)->name;
}

static bool type_of_name(const char *name, enum image_type *type_ret)
{
	for (enum image_type t = 0; t < IMAGE_TYPES; t++) {
		if (image_info(t)->wrapper == WRAPPER_RAW || strcmp(image_info(t)->name, name) != 0)
			continue;
		*type_ret = t;
		return true;
	}
	return false;
}

/* The first words of the file: the type, and whether there is a wrapper. */
static int find_type(struct one_file *one, const char *name, enum image_type *type_ret,
		     struct err *err)
{
	uint32_t words[2] = { 0 };
	ssize_t n = pread(one->fd, words, sizeof(words), 0);
	bool wrapped = words[0] == WRAPPER_COMMON_MAGIC || words[0] == WRAPPER_SERVICE_MAGIC;

	if (n < 0)
		return err_sys(err, "cannot read %s", name);
	if (n < (ssize_t)sizeof(words[0]) || (wrapped && n < (ssize_t)sizeof(words))) {
		err_set(err, EBADMSG, "cannot decode %s: truncated (no magic)", name);
		return err_hint(err, "give an image, like core-1.img");
	}
	one->store.version = wrapped ? 2 : 1;
	if (image_type_by_magic(words[wrapped], type_ret))
		return 0;

	err_set(err, EBADMSG, "cannot decode %s: Unknown magic 0x%x", name, words[wrapped]);
	err_why(err, "no image with entries has it");
	return err_hint(err, "files of raw data (pages-1.img) cannot be decoded");
}

/* The type that the name of the file says, if its magic agrees; and what errors put in front. */
static void use_name(struct arena *a, struct one_file *one, const char *name, enum image_type *type,
		     unsigned long *id)
{
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;
	enum image_type by_name;

	if (image_type_by_name(base, &by_name, id) &&
	    image_info(by_name)->magic == image_info(*type)->magic) {
		*type = by_name;
		one->store.label = arena_printf(a, "%.*s", (int)(base - name), name);
		return;
	}
	*id = 0;
	one->store.label = arena_printf(a, "%s as ", name);
}

/* Borrows @one and @fd. */
static int open_image(struct arena *a, struct one_file *one, int fd, const char *name,
		      enum image_type *type_ret, struct image **img_ret, struct err *err)
{
	bool found = true;
	unsigned long id;

	*one = (struct one_file){ { .ops = &one_file_ops }, fd };
	if (find_type(one, name, type_ret, err) < 0)
		return -err->code;
	use_name(a, one, name, type_ret, &id);
	return image_open(&one->store, *type_ret, id, a, img_ret, &found, err);
}

/* ---- decode ---- */

/* What an image may not have more than one of. */
static int check_number(const struct image_info *info, size_t entries, struct err *err)
{
	if (info->entries != ENTRIES_ONE || entries <= 1)
		return 0;
	return err_set(err, EBADMSG, "%s has more than one entry", info->name);
}

static int write_entry(struct json_out *o, enum image_type type, struct image *img,
		       const ProtobufCMessage *entry, bool brief, struct err *err)
{
	json_item(o);
	json_open(o, '{');
	message_write(o, entry);
	if (payload_write(o, type, img, entry, brief, err) < 0)
		return -err->code;
	json_close(o, '}');
	return 0;
}

static int write_entries(struct json_out *o, enum image_type type, struct image *img, bool brief,
			 size_t *n_ret, struct err *err)
{
	void *entry = NULL;
	size_t n = 0;
	int ret;

	while ((ret = image_get(img, NULL, &entry, err)) > 0) {
		if (check_number(image_info(type), ++n, err) < 0)
			return err_in(err, "cannot decode %s", image_name(img));
		if (write_entry(o, type, img, entry, brief, err) < 0)
			return -err->code;
	}
	*n_ret = n;
	return ret;
}

int show_decode(struct arena *a, int fd, const char *name, bool brief, struct json_out *o,
		struct err *err)
{
	scoped_image *img = NULL;
	enum image_type type;
	struct one_file one;
	size_t n;

	if (open_image(a, &one, fd, name, &type, &img, err) < 0)
		return -err->code;

	json_open(o, '{');
	json_key(o, "magic");
	json_string(o, name_of_type(type), strlen(name_of_type(type)));
	json_key(o, "entries");
	json_open(o, '[');
	if (write_entries(o, type, img, brief, &n, err) < 0)
		return -err->code;
	json_close(o, ']');
	json_close(o, '}');
	return 0;
}

int show_count(struct arena *a, int fd, const char *name, struct json_out *o, struct err *err)
{
	scoped_stream *nowhere = fopen("/dev/null", "we");
	struct json_out ignored = { .f = nowhere };
	scoped_image *img = NULL;
	enum image_type type;
	struct one_file one;
	size_t n;

	if (!nowhere)
		return err_sys(err, "cannot open /dev/null");
	if (open_image(a, &one, fd, name, &type, &img, err) < 0 ||
	    write_entries(&ignored, type, img, true, &n, err) < 0)
		return -err->code;
	if (image_info(type)->magic == image_info(IMAGE_PAGEMAP)->magic && n > 0)
		n--;

	json_open(o, '{');
	json_key(o, "magic");
	json_string(o, name_of_type(type), strlen(name_of_type(type)));
	json_key(o, "count");
	json_number(o, "%zu", n);
	json_close(o, '}');
	return 0;
}

/* ---- encode ---- */

/* The message of the entry that comes after @n others. */
static const ProtobufCMessageDescriptor *message_of(const struct image_info *info, size_t n)
{
	return info->entries == ENTRIES_HEAD && n > 0 ? info->more : info->message;
}

static int put_entry(struct arena *a, enum image_type type, struct image *img, size_t n,
		     const struct json *v, struct err *err)
{
	const char *extra = payload_is_known(type) ? "extra" : NULL;
	ProtobufCMessage *msg;

	if (v->type != JSON_OBJECT)
		return err_set(err, EBADMSG, "it is not an object");
	if (message_read(a, message_of(image_info(type), n), v, extra, &msg, err) < 0 ||
	    image_put(img, msg, err) < 0)
		return -err->code;
	if (v->next && payload_is_last(type, msg))
		return err_set(err, EBADMSG, "it has no chunks, and so nothing can come after it");
	return payload_read(a, type, img, msg, extra ? json_get(v, extra) : NULL, err);
}

static int put_entries(struct arena *a, enum image_type type, struct image *img,
		       const struct json *entries, struct err *err)
{
	size_t n = 0;

	if (check_number(image_info(type), entries->len, err) < 0)
		return -err->code;
	for (const struct json *v = entries->first; v; v = v->next, n++)
		if (put_entry(a, type, img, n, v, err) < 0)
			return err_in(err, "entry %zu", n + 1);
	return 0;
}

static int find_parts(const struct json *image, enum image_type *type_ret,
		      const struct json **entries_ret, struct err *err)
{
	bool object = image->type == JSON_OBJECT;
	const struct json *magic = object ? json_get(image, "magic") : NULL;
	const struct json *entries = object ? json_get(image, "entries") : NULL;

	if (!magic || !entries || image->len != 2 || magic->type != JSON_STRING ||
	    entries->type != JSON_ARRAY)
		return err_set(err, EBADMSG, "it is not an object of magic and entries");
	if (!type_of_name(magic->text, type_ret))
		return err_set(err, EBADMSG, "there is no magic \"%.40s\"", magic->text);
	*entries_ret = entries;
	return 0;
}

static int cannot_read_json(struct err *err)
{
	char why[sizeof(err->why)];

	snprintf(why, sizeof(why), "%.100s", err->what);
	err_set(err, err->code, "Cannot read JSON.");
	return err_why(err, "%s", why);
}

int show_encode(struct arena *a, char *text, size_t len, int fd, struct err *err)
{
	struct one_file one = { { .ops = &one_file_ops, .label = "", .version = 2 }, fd };
	enum image_type type = IMAGE_INVENTORY;
	const struct json *entries = NULL;
	struct json *value = NULL;
	scoped_image *img = NULL;

	if (json_parse(a, text, len, &value, err) < 0)
		return cannot_read_json(err);
	if (find_parts(value, &type, &entries, err) < 0)
		return err_why(err, "this is JSON, but of no image");
	if (image_create_now(&one.store, type, 0, &img, err) < 0)
		return -err->code;
	if (put_entries(a, type, img, entries, err) < 0)
		return err->code == EBADMSG ? err_why(err, "no %s is like that", image_name(img))
					    : -err->code;
	return image_close(take_ptr(img), err);
}
