/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * image - magic, frames and payload of one file
 *
 *	[u32 wrapper] u32 magic { u32 size, message, [payload] }...
 *
 * All in the byte order of the machine.  Reading goes through a buffer and not
 * through a mapping: a file that is cut while we read it must be an error and
 * not a signal.
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/inject.h"
#include "base/io.h"
#include "images/image.h"
#include "images/unpack.h"

enum { BUFFER_SIZE = 64 * 1024, GROW_FIRST = 1 << 20 };

struct image {
	struct store *store;
	const struct image_info *info;
	struct arena *arena; /* reading: where messages go */
	int fd;		     /* writing: -1 until there is a file */
	bool writing;
	char name[256]; /* as errors call it */
	char *file;	/* the part of it that the store knows */
	size_t entries; /* put or got */
	int64_t size;	/* reading: of the file, -1 unknown */
	uint64_t pos;	/* reading: of what is handed out next */
	uint8_t *large; /* reading: an entry that does not fit the buffer */
	size_t large_max;
	bool outside;	   /* reading: the caller may have moved the descriptor */
	size_t start, end; /* buffer[start..end) is read and not handed out, or not yet written */
	uint8_t buffer[BUFFER_SIZE];
};

static int image_new(struct store *s, enum image_type type, unsigned long id,
		     struct image **img_ret, struct err *err)
{
	struct image *img = malloc(sizeof(*img));
	char file[IMAGE_NAME_MAX];

	if (!img)
		return err_sys(err, "cannot open %s", image_file_name(type, id, file));

	memset(img, 0, offsetof(struct image, buffer));
	img->store = s;
	img->info = image_info(type);
	img->fd = -1;
	img->size = -1;
	image_file_name(type, id, file);
	snprintf(img->name, sizeof(img->name), "%.180s%s", s->label, file);
	img->file = img->name + strlen(img->name) - strlen(file);
	*img_ret = img;
	return 0;
}

const char *image_name(const struct image *img)
{
	return img->name;
}

void image_abandon(struct image *img)
{
	if (!img)
		return;
	if (img->fd >= 0)
		close(img->fd);
	free(img->large);
	free(img);
}

/* The words in front of the first entry; returns how many. */
static size_t header_of(const struct image *img, uint32_t words[2])
{
	enum image_wrapper wrapper = img->info->wrapper;
	size_t n = 0;

	if (wrapper == WRAPPER_RAW)
		return 0;
	if (wrapper == WRAPPER_COMMON && img->store->version > 1)
		words[n++] = WRAPPER_COMMON_MAGIC;
	if (wrapper == WRAPPER_SERVICE && img->store->version > 1)
		words[n++] = WRAPPER_SERVICE_MAGIC;
	words[n++] = img->info->magic;
	return n;
}

/* Writing */

static int hint_by_code(struct err *err)
{
	switch (err->code) {
	case ENOSPC:
	case EDQUOT:
		return err_hint(err, "make room, or use another directory for the images");
	case EACCES:
	case EPERM:
	case EROFS:
		return err_hint(err, "use a directory for the images that you can write to");
	case EFBIG:
		return err_hint(err, "raise the file size limit (ulimit -f)");
	}
	return -err->code;
}

static int cannot_write(const struct image *img, int code, struct err *err)
{
	err_set(err, code, "cannot write %s", img->name);
	return hint_by_code(err);
}

static int flush(struct image *img, struct err *err)
{
	int ret = inject_point(err, "write:%s", img->file);

	if (ret == 0)
		ret = io_write(img->fd, img->buffer, img->end);
	if (ret < 0)
		return cannot_write(img, -ret, err);
	img->end = 0;
	return 0;
}

static int append(struct image *img, const void *buf, size_t len, struct err *err)
{
	int ret;

	if (len > sizeof(img->buffer) - img->end && flush(img, err) < 0)
		return -err->code;

	if (len > sizeof(img->buffer)) {
		ret = io_write(img->fd, buf, len);
		return ret < 0 ? cannot_write(img, -ret, err) : 0;
	}
	if (len)
		memcpy(img->buffer + img->end, buf, len);
	img->end += len;
	return 0;
}

/* The file, if there is none yet, with its magic. */
static int make_file(struct image *img, struct err *err)
{
	uint32_t words[2];

	assert(img->writing);
	if (img->fd >= 0)
		return 0;

	img->fd = store_create_file(img->store, img->file, err);
	if (img->fd < 0)
		return hint_by_code(err);
	return append(img, words, header_of(img, words) * sizeof(words[0]), err);
}

int image_create(struct store *s, enum image_type type, unsigned long id, struct image **img_ret,
		 struct err *err)
{
	scoped_image *img = NULL;

	if (image_new(s, type, id, &img, err) < 0)
		return -err->code;
	img->writing = true;
	if (store_remove_file(s, img->file, err) < 0)
		return hint_by_code(err);

	*img_ret = take_ptr(img);
	return 0;
}

int image_create_now(struct store *s, enum image_type type, unsigned long id,
		     struct image **img_ret, struct err *err)
{
	scoped_image *img = NULL;

	if (image_create(s, type, id, &img, err) < 0 || make_file(img, err) < 0)
		return -err->code;

	*img_ret = take_ptr(img);
	return 0;
}

/* protobuf-c packs into this; it cannot fail, so the failure is kept. */
struct put_buffer {
	ProtobufCBuffer base;
	struct image *img;
	struct err *err;
	int ret;
};

static void put_append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
	struct put_buffer *b = (struct put_buffer *)base;

	if (b->ret == 0)
		b->ret = append(b->img, data, len, b->err);
}

int image_put(struct image *img, const ProtobufCMessage *msg, struct err *err)
{
	struct put_buffer b = { { put_append }, img, err, 0 };
	size_t size;
	uint32_t word;

	assert(img->info->entries != ENTRIES_RAW);
	assert(img->info->entries != ENTRIES_ONE || img->entries == 0);

	if (!protobuf_c_message_check(msg))
		return err_set(err, EINVAL, "cannot write %s: entry %zu (%s) is not complete",
			       img->name, img->entries + 1, msg->descriptor->name);
	size = protobuf_c_message_get_packed_size(msg);
	if (size > UNPACK_MAX)
		return err_set(err, EMSGSIZE,
			       "cannot write %s: entry %zu of %zu bytes is too large", img->name,
			       img->entries + 1, size);

	word = (uint32_t)size;
	if (make_file(img, err) < 0 || append(img, &word, sizeof(word), err) < 0)
		return -err->code;
	protobuf_c_message_pack_to_buffer(msg, &b.base);
	img->entries++;
	return b.ret;
}

int image_put_raw(struct image *img, const void *buf, size_t len, struct err *err)
{
	if (make_file(img, err) < 0)
		return -err->code;
	return append(img, buf, len, err);
}

int image_put_one(struct store *s, enum image_type type, unsigned long id,
		  const ProtobufCMessage *msg, struct err *err)
{
	scoped_image *img = NULL;

	if (image_create(s, type, id, &img, err) < 0 || image_put(img, msg, err) < 0)
		return -err->code;
	return image_close(take_ptr(img), err);
}

/* Reading */

static int damaged(struct err *err)
{
	return err_hint(err, "the checkpoint is damaged or was not finished; take it again");
}

/* Where the descriptor is after image_fd(); a stream has no place and needs none. */
static void find_place(struct image *img)
{
	off_t off = img->outside ? lseek(img->fd, 0, SEEK_CUR) : -1;

	if (off >= 0)
		img->pos = (uint64_t)off;
	img->outside = false;
}

/*
 * Up to @len bytes to @dst; fewer only at the end of the file.  Large pieces do
 * not take the way through the buffer.
 */
static int read_some(struct image *img, void *dst, size_t len, size_t *got_ret, struct err *err)
{
	size_t got = 0;

	find_place(img);
	while (got < len) {
		size_t n = img->end - img->start;
		bool direct = n == 0 && len - got >= sizeof(img->buffer);
		ssize_t ret;

		if (n > 0) {
			n = n < len - got ? n : len - got;
			memcpy((char *)dst + got, img->buffer + img->start, n);
			img->start += n;
			got += n;
			continue;
		}
		ret = direct ? read(img->fd, (char *)dst + got, len - got)
			     : read(img->fd, img->buffer, sizeof(img->buffer));
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0)
			return err_sys(err, "cannot read %s", img->name);
		if (ret == 0)
			break;
		img->start = 0;
		img->end = direct ? 0 : (size_t)ret;
		got += direct ? (size_t)ret : 0;
	}

	img->pos += got;
	*got_ret = got;
	return 0;
}

int64_t image_left(struct image *img)
{
	if (img->size < 0)
		return -1;
	find_place(img);
	return img->pos < (uint64_t)img->size ? img->size - (int64_t)img->pos : 0;
}

/* A file that ends inside an entry is told from one that has no more entries. */
static int get_word(struct image *img, uint32_t *word_ret, struct err *err)
{
	size_t got;

	if (read_some(img, word_ret, sizeof(*word_ret), &got, err) < 0)
		return -err->code;
	if (got == 0)
		return 0;
	if (got < sizeof(*word_ret)) {
		err_set(err, EBADMSG,
			"cannot read %s: truncated (%zu bytes where entry %zu begins)", img->name,
			got, img->entries + 1);
		return damaged(err);
	}
	return 1;
}

static int check_header(struct image *img, struct err *err)
{
	uint32_t words[2] = { 0 }, found = 0;
	size_t n = header_of(img, words), got;

	for (size_t i = 0; i < n; i++) {
		if (read_some(img, &found, sizeof(found), &got, err) < 0)
			return -err->code;
		if (got < sizeof(found)) {
			err_set(err, EBADMSG, "cannot read %s: truncated (no magic)", img->name);
			return damaged(err);
		}
		if (found == words[i])
			continue;
		err_set(err, EBADMSG,
			"cannot read %s: not an image of %s (magic 0x%08x, not 0x%08x)", img->name,
			img->info->name, found, words[i]);
		return damaged(err);
	}
	return 0;
}

int image_open(struct store *s, enum image_type type, unsigned long id, struct arena *a,
	       struct image **img_ret, bool *found_ret, struct err *err)
{
	scoped_image *img = NULL;
	struct stat st;

	if (image_new(s, type, id, &img, err) < 0)
		return -err->code;
	img->arena = a;

	if (store_open_file(s, img->file, &img->fd, err) < 0)
		return -err->code;
	if (img->fd < 0) {
		*found_ret = false;
		return 0;
	}
	if (fstat(img->fd, &st) < 0)
		return err_sys(err, "cannot read %s", img->name);
	if (S_ISREG(st.st_mode))
		img->size = st.st_size;
	if (check_header(img, err) < 0)
		return -err->code;

	*found_ret = true;
	*img_ret = take_ptr(img);
	return 0;
}

static int truncated(struct image *img, size_t size, uint64_t left, struct err *err)
{
	err_set(err, EBADMSG,
		"cannot read %s: truncated (entry %zu says %zu bytes, %" PRIu64 " are left)",
		img->name, img->entries + 1, size, left);
	return damaged(err);
}

/* A size we are ready to believe. */
static int check_size(struct image *img, uint32_t size, struct err *err)
{
	int64_t left = image_left(img);

	if (left >= 0 && size > left)
		return truncated(img, size, (uint64_t)left, err);
	if (size > UNPACK_MAX) {
		err_set(err, EBADMSG, "cannot read %s: entry %zu of %u bytes is too large",
			img->name, img->entries + 1, size);
		return damaged(err);
	}
	return 0;
}

/*
 * An entry that is not in the buffer as a whole.  The memory for it grows with
 * what has come, because a stream does not tell how much will.
 */
static int get_large(struct image *img, size_t size, const void **bytes_ret, struct err *err)
{
	size_t have = 0, got;

	while (have < size) {
		size_t want = have ? have * 2 : GROW_FIRST;

		want = want < size ? want : size;
		if (want > img->large_max) {
			uint8_t *larger = realloc(img->large, want);

			if (!larger)
				return err_sys(err, "cannot read %s", img->name);
			img->large = larger;
			img->large_max = want;
		}
		if (read_some(img, img->large + have, want - have, &got, err) < 0)
			return -err->code;
		have += got;
		if (have < want)
			return truncated(img, size, have, err);
	}
	*bytes_ret = img->large;
	return 0;
}

static int get_bytes(struct image *img, size_t size, const void **bytes_ret, struct err *err)
{
	if (img->end - img->start < size)
		return get_large(img, size, bytes_ret, err);

	*bytes_ret = img->buffer + img->start;
	img->start += size;
	img->pos += size;
	return 0;
}

static const ProtobufCMessageDescriptor *next_message(const struct image *img)
{
	const struct image_info *info = img->info;

	return info->entries == ENTRIES_HEAD && img->entries > 0 ? info->more : info->message;
}

int image_get(struct image *img, const ProtobufCMessageDescriptor *desc, void **msg_ret,
	      struct err *err)
{
	const void *bytes = NULL;
	uint32_t size = 0;
	int ret;

	assert(!img->writing && (desc || img->info->message));

	ret = get_word(img, &size, err);
	if (ret <= 0)
		return ret;
	if (check_size(img, size, err) < 0 || get_bytes(img, size, &bytes, err) < 0)
		return -err->code;

	desc = desc ? desc : next_message(img);
	if (message_unpack(img->arena, desc, bytes, size, msg_ret, err) < 0) {
		err_in(err, "cannot read %s: entry %zu", img->name, img->entries + 1);
		return damaged(err);
	}
	img->entries++;
	return 1;
}

static int payload_missing(struct image *img, uint64_t len, uint64_t left, struct err *err)
{
	err_set(err, EBADMSG,
		"cannot read %s: truncated (%" PRIu64 " bytes wanted behind entry %zu, %" PRIu64
		" are left)",
		img->name, len, img->entries, left);
	return damaged(err);
}

int image_get_raw(struct image *img, void *buf, size_t len, struct err *err)
{
	int64_t left = image_left(img);
	size_t got;

	if (left >= 0 && len > (uint64_t)left)
		return payload_missing(img, len, (uint64_t)left, err);
	if (read_some(img, buf, len, &got, err) < 0)
		return -err->code;
	if (got < len)
		return payload_missing(img, len, got, err);
	return 0;
}

int image_skip(struct image *img, uint64_t len, struct err *err)
{
	int64_t left = image_left(img);
	char scrap[4096];

	if (left >= 0 && len > (uint64_t)left)
		return payload_missing(img, len, (uint64_t)left, err);

	while (len > 0) {
		size_t n = len < sizeof(scrap) ? (size_t)len : sizeof(scrap);

		if (image_get_raw(img, scrap, n, err) < 0)
			return -err->code;
		len -= n;
	}
	return 0;
}

int image_get_one(struct store *s, enum image_type type, unsigned long id, struct arena *a,
		  void **msg_ret, bool *found_ret, struct err *err)
{
	scoped_image *img = NULL;
	bool found = false;
	size_t more = 0;
	char byte;
	void *msg;
	int ret;

	assert(image_info(type)->entries == ENTRIES_ONE && !image_info(type)->payload);
	if (image_open(s, type, id, a, &img, &found, err) < 0)
		return -err->code;
	if (!found) {
		*found_ret = false;
		return 0;
	}

	ret = image_get(img, NULL, &msg, err);
	if (ret < 0 || read_some(img, &byte, 1, &more, err) < 0)
		return -err->code;
	if (ret == 0 || more > 0) {
		err_set(err, EBADMSG, "cannot read %s: %s", img->name,
			ret == 0 ? "it has no entry" : "there is more than one entry");
		return damaged(err);
	}

	*msg_ret = msg;
	*found_ret = true;
	return 0;
}

/* Both */

int image_fd(struct image *img, struct err *err)
{
	if (img->writing) {
		if (make_file(img, err) < 0 || flush(img, err) < 0)
			return -err->code;
		return img->fd;
	}

	if (img->end > img->start && lseek(img->fd, -(off_t)(img->end - img->start), SEEK_CUR) < 0)
		return err_sys(err, "cannot go back in %s", img->name);
	img->start = img->end = 0;
	img->outside = true;
	return img->fd;
}

int image_close(struct image *img, struct err *err)
{
	int ret = 0;

	if (img && img->writing && img->fd >= 0) {
		ret = flush(img, err);
		if (close(take_fd(&img->fd)) < 0 && ret == 0)
			ret = cannot_write(img, errno, err);
	}
	image_abandon(img);
	return ret;
}
