/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream_frame - one piece of a stream: checksum and compression
 */
#include <errno.h>
#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* its state is a type */
#include <xxhash.h>
#include <zstd.h>

#include "images/stream_frame.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are written as they are");

struct frame_coder {
	ZSTD_CCtx *in;
	ZSTD_DCtx *out;
};

int stream_codec_parse(const char *word, struct stream_codec *codec_ret, struct err *err)
{
	static const struct {
		const char *name;
		enum stream_codec_type type;
		int max;
	} codecs[] = { { "lz4", STREAM_LZ4, LZ4HC_CLEVEL_MAX }, { "zstd", STREAM_ZSTD, 22 } };
	size_t i, n = strcspn(word, ":");
	char *end = NULL;

	for (i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
		long level = word[n] ? strtol(word + n + 1, &end, 10) : 0;

		if (strlen(codecs[i].name) != n || strncmp(word, codecs[i].name, n) != 0)
			continue;
		if (word[n] && (end == word + n + 1 || *end || level < 1 || level > codecs[i].max))
			break;
		*codec_ret = (struct stream_codec){ codecs[i].type, (int)level };
		return 0;
	}
	err_set(err, EINVAL, "cannot compress with \"%s\"", word);
	return err_hint(err, "give lz4, lz4:LEVEL (1 to 12), zstd, or zstd:LEVEL (1 to 22)");
}

struct frame_coder *frame_coder_new(void)
{
	struct frame_coder *c = calloc(1, sizeof(*c));

	if (c) {
		c->in = ZSTD_createCCtx();
		c->out = ZSTD_createDCtx();
	}
	if (c && c->in && c->out)
		return c;
	frame_coder_free(c);
	return NULL;
}

void frame_coder_free(struct frame_coder *c)
{
	if (!c)
		return;
	ZSTD_freeCCtx(c->in);
	ZSTD_freeDCtx(c->out);
	free(c);
}

size_t frame_stored_max(void)
{
	size_t lz4 = (size_t)LZ4_compressBound(FRAME_BYTES), zstd = ZSTD_compressBound(FRAME_BYTES);

	return lz4 > zstd ? lz4 : zstd;
}

uint64_t frame_sum(const struct frame *f, uint64_t seq, const void *payload)
{
	XXH3_state_t state;

	XXH3_64bits_reset_withSeed(&state, seq);
	XXH3_64bits_update(&state, f, offsetof(struct frame, sum));
	XXH3_64bits_update(&state, payload, f->stored);
	return XXH3_64bits_digest(&state);
}

static size_t pack_lz4(int level, const void *raw, int n, void *packed)
{
	int room = (int)frame_stored_max();
	int ret = level < LZ4HC_CLEVEL_MIN ? LZ4_compress_default(raw, packed, n, room)
					   : LZ4_compress_HC(raw, packed, n, room, level);

	return ret > 0 ? (size_t)ret : 0;
}

static size_t pack_zstd(struct frame_coder *c, int level, const void *raw, size_t n, void *packed)
{
	size_t ret = ZSTD_compressCCtx(c->in, packed, frame_stored_max(), raw, n,
				       level ? level : ZSTD_CLEVEL_DEFAULT);

	return ZSTD_isError(ret) ? 0 : ret;
}

const void *frame_pack(struct frame_coder *c, const struct stream_codec *codec, struct frame *f,
		       const void *raw, void *packed)
{
	size_t n = 0;

	if (codec->type == STREAM_LZ4)
		n = pack_lz4(codec->level, raw, (int)f->raw, packed);
	else if (codec->type == STREAM_ZSTD)
		n = pack_zstd(c, codec->level, raw, f->raw, packed);
	f->codec = n && n < f->raw ? codec->type : STREAM_PLAIN;
	f->stored = f->codec ? (uint32_t)n : f->raw;
	return f->codec ? packed : raw;
}

const void *frame_unpack(struct frame_coder *c, const struct frame *f, const void *payload,
			 void *raw)
{
	size_t n = 0;

	switch (f->codec) {
	case STREAM_PLAIN:
		return f->stored == f->raw ? payload : NULL;
	case STREAM_LZ4:
		n = (size_t)LZ4_decompress_safe(payload, raw, (int)f->stored, FRAME_BYTES);
		break;
	case STREAM_ZSTD:
		n = ZSTD_decompressDCtx(c->out, raw, FRAME_BYTES, payload, f->stored);
		break;
	}
	return n == f->raw ? raw : NULL;
}
