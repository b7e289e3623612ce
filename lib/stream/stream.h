/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Files into memory: each file's bytes to its place, as fast as the storage gives them, digested on the way. The
 * engine knows nothing of pools and formats: it is given memory, files and the ranges of them to digest.
 */
#ifndef PINPOOL_STREAM_STREAM_H
#define PINPOOL_STREAM_STREAM_H

#include "stream/source.h"

#include <pinpool/load.h>

struct pinpool_ctx;

/* What may be asked for. Chunks are powers of two. */
#define STREAM_CHUNK_MIN (64u << 10)
#define STREAM_CHUNK_MAX (16u << 20)
#define STREAM_DEPTH_MAX 1024u

/**
 * struct stream_tuning - what is fast on a device; zeroed, what is so on most
 * @chunk_bytes: bytes of one request, 0 for the default
 * @queue_depth: requests in flight of a ring, 0 for the default
 * @iopoll: completions are looked for and not told by interrupts (IORING_SETUP_IOPOLL): direct reads by a device that
 *	has queues for that
 * @sqpoll: a thread of the kernel takes requests (IORING_SETUP_SQPOLL)
 */
struct stream_tuning {
	uint32_t chunk_bytes;
	uint32_t queue_depth;
	bool iopoll;
	bool sqpoll;
};

/* A part of a file with a digest of its own, and with a SHA-256 if that is wanted. */
struct stream_range {
	uint64_t begin;
	uint64_t end;
	uint8_t digest[PINPOOL_DIGEST_BYTES]; /* result */
	bool want_sha256;
	uint8_t sha256[PINPOOL_SHA256_BYTES]; /* result */
	const char *name; /* of the tensor, for progress, or NULL */
};

/* Bytes [@begin, @end) of a file. */
struct stream_span {
	uint64_t begin;
	uint64_t end;
};

/**
 * struct stream_file - one file, or a piece of one, and where it goes
 * @source: the file, open; the engine opens its direct_fd. Pieces of one file share it
 * @offset: where the first byte goes, from the base; as far into a block of SOURCE_DIRECT_ALIGN as @begin is, unless
 *	@width or @spans are given
 * @ranges: of the bytes taken, counted as if they followed @begin without a gap; ascending, without overlap; may be
 *	empty ranges
 * @range_count: number of @ranges
 * @digest: result, of all of it
 * @rest: result, digest of what is in none of the @ranges, one after the other
 * @want_sha256: whether @sha256 is wanted
 * @sha256: result, of all of it
 * @begin: first byte in the file
 * @end: behind the last byte; 0 for the end of the file
 * @width: 0 for all bytes; else of every @stride bytes, from @begin on, the first @width, put one after the other. @end
 *	is behind the last of them
 * @stride: more than @width
 * @spans: or NULL; else, with no @width, what is taken, ascending and none empty, put one after the other. @begin and
 *@end are those of all of them
 * @span_count: number of @spans
 *
 * The blocks of memory that it touches are its own: what a read of whole blocks brings beyond it is zeroed at the end.
 */
struct stream_file {
	struct source *source;
	uint64_t offset;
	struct stream_range *ranges;
	size_t range_count;
	uint8_t digest[PINPOOL_DIGEST_BYTES];
	uint8_t rest[PINPOOL_DIGEST_BYTES];
	bool want_sha256;
	uint8_t sha256[PINPOOL_SHA256_BYTES];
	uint64_t begin;
	uint64_t end;
	uint64_t width;
	uint64_t stride;
	const struct stream_span *spans;
	size_t span_count;
};

/* Whether what @file takes lies apart in the file, and together in memory. */
static inline bool stream_file_is_gathered(const struct stream_file *file)
{
	return file->width || file->spans;
}

/* Bytes that @file takes of memory. */
static inline uint64_t stream_file_bytes(const struct stream_file *file)
{
	uint64_t span = (file->end ? file->end : file->source->size) - file->begin;

	if (file->spans) {
		span = 0;
		for (size_t i = 0; i < file->span_count; i++)
			span += file->spans[i].end - file->spans[i].begin;
		return span;
	}
	return file->width ? (span + file->stride - file->width) / file->stride * file->width : span;
}

/**
 * struct stream_job - what to do
 * @ctx: where messages go
 * @base: the memory, aligned to SOURCE_DIRECT_ALIGN
 * @pool: the file of the writer of a pool of the module, of which @base is a mapping from its start on, for
 *	PINPOOL_IO_URING_CMD; or -1
 * @capacity: its length, a multiple of SOURCE_DIRECT_ALIGN. Between the end of a file and the next multiple the engine
 *	writes zeroes.
 * @files: by ascending offset, without overlap
 * @count: number of @files
 * @opts: how; sizes are checked, zero means the default
 * @landed: told that everything below @end, from the base, is in its place, and digested if digests are made; by a
 *	thread of the engine, in order. What it takes holds up digests and not reads. NULL for nobody
 * @landed_arg: its first argument
 * @content: receives the digest of the memory from the base to the end of the last file, what lies between files being
 *	zero; then files get no digests. NULL: they do
 * @window: bytes of memory that is gone round in, a multiple of the chunk, which @capacity then is, too: what would go
 *to N from the base goes to N modulo this, and nothing is written behind the ends of files. 0: everything has a place
 *	of its own
 * @room: with @window: whether what lies before @end may be written now, which it may for good then; waits up to
 *@wait_ms for it. By threads of the engine
 * @room_arg: its first argument
 * @tuning: what @opts does not say. Its last two where they work, never for commands, none of it for threads but the
 *chunk
 * @node: NUMA node that the memory is from, plus 1: threads run on its processors. 0: anywhere
 */
struct stream_job {
	const struct pinpool_ctx *ctx;
	void *base;
	int pool;
	uint64_t capacity;
	struct stream_file *files;
	size_t count;
	const struct pinpool_load_opts *opts;
	void (*landed)(void *arg, uint64_t end);
	void *landed_arg;
	uint8_t *content;
	uint64_t window;
	bool (*room)(void *arg, uint64_t end, unsigned int wait_ms);
	void *room_arg;
	struct stream_tuning tuning;
	unsigned int node;
};

/**
 * struct stream_result - what was done
 * @io: path taken
 * @direct: every file was read with O_DIRECT
 * @fixed_files: files were registered with the ring
 * @chunk_bytes: bytes of one request
 * @queue_depth: requests in flight
 * @iopoll: as in struct stream_tuning
 * @sqpoll: likewise
 * @requests: read requests submitted
 * @bytes: bytes that they brought
 */
struct stream_result {
	enum pinpool_io io;
	bool direct;
	bool fixed_files;
	uint32_t chunk_bytes;
	uint32_t queue_depth;
	bool iopoll;
	bool sqpoll;
	uint64_t requests;
	uint64_t bytes;
};

/* What a job without options and tuning gets: with commands to the module, else into memory. */
struct stream_tuning stream_default(bool commands);

/*
 * Runs a job to its end. When this returns, whatever it returns, nothing writes to the memory any more and no page of
 * it is pinned by this process, except that the kernel may drop the last pins of direct reads a moment later.
 *
 * Returns 0, -EINVAL (option out of range), -EOPNOTSUPP (the forced path does not work here), -ECANCELED, -ENODATA (a
 * file ended early), -ESTALE (it was replaced or became shorter), -EIO, -ENOMEM, ...
 */
int stream_run(const struct stream_job *job, struct stream_result *result, struct pinpool_diag *diag);

#endif
