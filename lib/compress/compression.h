/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A checkpoint being compressed: what there is, what becomes of each tensor, and where that goes. */
#ifndef PINPOOL_COMPRESS_COMPRESSION_H
#define PINPOOL_COMPRESS_COMPRESSION_H

#include <jansson.h>
#include <pinpool/compress.h>

#include "codec/weights.h"
#include "format/format.h"
#include "math/team.h"

/* What is done with a tensor. */
enum deed {
	DEED_KEEP,
	DEED_ENCODE,
	DEED_DECODE,
};

/**
 * struct item - one tensor
 * @tensor: as it is in the source; its data is there if the source is a pool
 * @file: file that it lies in, if the source is a checkpoint
 * @begin: first byte there
 * @deed: what becomes of it
 * @code: index of the code in the table of codes, if it is coded
 * @blob: numbers of that code
 * @error: of the code
 * @after: bytes of it at last
 * @analysed: @stats are there
 * @stats: of the matrix
 * @note: why it is kept, or empty
 * @out: as it will be, for headers and catalogs
 */
struct item {
	struct pinpool_tensor tensor;
	const struct format_file *file;
	uint64_t begin;
	enum deed deed;
	size_t code;
	struct blob blob;
	double error;
	uint64_t after;
	bool analysed;
	struct weights_stats stats;
	char note[PINPOOL_COMPRESS_TEXT_MAX];
	struct pinpool_tensor out;
};

struct pinpool_compression {
	struct pinpool_ctx *ctx;
	struct pinpool_compress_opts opts;
	char *from;
	char *to;
	bool to_file;
	struct pinpool_math *math; /* opts.math, or our own */
	struct codec_team team;
	volatile int canceled;
	/* The source: a pool, or a checkpoint. */
	struct pinpool_pool *pool;
	struct pinpool_catalog *catalog;
	struct checkpoint checkpoint;
	struct pinpool_info info; /* of the pool */
	json_t *metadata; /* what safetensors files of the source say, or NULL */
	struct item *items; /* in the order of the source */
	size_t count;
	uint64_t bytes; /* of all of them */
	uint64_t after; /* likewise, at last */
	/* What is written: a header, and the tensors in this order. */
	struct item **order;
	char *header;
	size_t header_bytes;
	uint64_t start_ns;
	uint64_t done;
	uint64_t total;
};

/* input.c: the source. Opens it and lists its tensors; names go on in the catalog, or in the files. */
int weights_open(struct pinpool_compression *c, struct pinpool_diag *diag);
void weights_close(struct pinpool_compression *c);
/* The bytes of a tensor: @item's own, or a copy in *@owned, which the caller frees. Returns 0, -ENOMEM, -EIO, ... */
int weights_read(const struct item *item, const void **data, void **owned, struct pinpool_diag *diag);
/* The files are what they were. Returns 0 or -ESTALE. */
int weights_check(const struct pinpool_compression *c, struct pinpool_diag *diag);

/* codes.c: the codes that there are, and their names. */
size_t codes_count(void);
const char *codes_name(size_t code);
/* Index of that name; codes_count() if there is none. */
size_t codes_find(const char *name);
/* Whether weights come back from it bit for bit. */
bool codes_is_exact(size_t code);
/* Sets the numbers of @blob for that code of such a matrix. False: it cannot have it, or others do as well. */
bool codes_fit(size_t code, const struct weights *weights, const struct weights_stats *stats, struct blob *blob);
/* Makes it. Returns as those of codec/weights.h do. */
int codes_encode(size_t code, const struct weights *weights, const struct codec_team *team, struct blob *blob,
		 void **data);

/* choose.c: what becomes of @item, whose bytes are @data. Returns 0, -ENOMEM, -ECANCELED. */
int choose(struct pinpool_compression *c, struct item *item, const void *data, struct pinpool_diag *diag);

/* measure.c: ||W - C|| / ||W||, and 0 only if all bits are the same. Returns 0 or what the decoder says. */
int measure(const struct weights *weights, const struct codec_team *team, const struct pinpool_coded *coded,
	    double *error, struct pinpool_diag *diag);
/* All of a coded matrix as elements of @dtype. Likewise. */
int decode(const struct blob *blob, const struct codec_team *team, void *out, struct pinpool_diag *diag);

/* sink.c: where it goes. Nothing is seen of it before sink_publish(). */
struct sink;
int sink_open(struct pinpool_compression *c, struct sink **out, struct pinpool_diag *diag);
/* What follows, up to the length of the whole. Returns 0, -ECANCELED, -ENOSPC, ... */
int sink_write(struct sink *sink, const void *data, uint64_t bytes, struct pinpool_diag *diag);
/* The tensor that was written last, in a pool's catalog. */
void sink_tensor(struct sink *sink, size_t index, const void *data, uint64_t bytes);
int sink_publish(struct sink *sink, struct pinpool_diag *diag);
/* NULL is fine. What is not published is gone. */
void sink_close(struct sink *sink);

/* plan.c: one more tensor of so many bytes is done. Returns 0 or -ECANCELED. */
int compression_tell(struct pinpool_compression *c, const struct item *item, uint64_t bytes);
/* Whether somebody wants it to end. */
bool compression_canceled(struct pinpool_compression *c);
/* A matrix of a tensor that is not coded; false: it is none. */
bool item_weights(const struct item *item, const void *data, struct weights *weights);
/* "FROM: tensor NAME". Returns @buf. */
const char *item_object(const struct pinpool_compression *c, const struct item *item, char *buf, size_t size);

#endif
