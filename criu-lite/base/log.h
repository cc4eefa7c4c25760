/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>

/*
 * The log, in the shape of CRIU's: "(SS.UUUUUU) " in front of every line when
 * the level is LOG_INFO or more, "Error (file:line): " and "Warn  (...): ".
 * It is for those who debug; a user must never need it.
 */
enum log_level { LOG_NONE, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Write to @fd (borrowed, must stay open) what is at or below @level. */
void log_init(int fd, enum log_level level);

/* From now on this process's lines carry "%6d: " with @pid; 0: none. */
void log_set_pid(int pid);

/* The descriptor moved (a worker puts it out of the way of its files). */
void log_set_fd(int fd);
int log_fd(void);

bool log_wants(enum log_level level);

void log_line(enum log_level level, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#define log_error(...) log_line(LOG_ERROR, __FILE__, __LINE__, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __FILE__, __LINE__, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __FILE__, __LINE__, __VA_ARGS__)
#define log_debug(...)                                                        \
	do {                                                                  \
		if (log_wants(LOG_DEBUG))                                     \
			log_line(LOG_DEBUG, __FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

#endif
