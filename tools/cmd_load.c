/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool load: a checkpoint into a pool, all of it or nothing, and one line that says how that went. */
#include "commands.h"
#include "digest.h"
#include "error.h"
#include "interrupt.h"
#include "pack_list.h"
#include "pool_args.h"
#include "progress.h"
#include "size.h"
#include "trace.h"

#include <errno.h>
#include <stdio.h>

struct load_args {
	int io; /* enum pinpool_io */
	uint64_t chunk;
	int64_t depth;
	uint64_t capacity;
	bool no_digest;
	bool no_probe;
	bool buffered;
	bool quiet;
	bool pack;
	int sha256; /* enum pinpool_sha256 */
	const char *digests;
	const char *trace;
	bool no_attach;
	bool attach_digest;
	struct texts tensors;
	struct texts rows;
	struct texts columns;
	int64_t rank;
	int64_t ranks;
	int order; /* enum pinpool_load_order */
	struct pool_args pool;
};

static const char *const order_words[] = {"file", "layer", NULL};

_Static_assert(PINPOOL_LOAD_ORDER_FILE == 0 && PINPOOL_LOAD_ORDER_LAYER == 1,
	       "order_words follows enum pinpool_load_order");

static const char *const io_words[] = {"auto", "fixed", "uring", "pread", "uring-cmd", NULL};

_Static_assert(PINPOOL_IO_AUTO == 0 && PINPOOL_IO_URING_FIXED == 1 && PINPOOL_IO_URING == 2 && PINPOOL_IO_PREAD == 3 &&
		       PINPOOL_IO_URING_CMD == 4,
	       "io_words follows enum pinpool_io");

static const char *const sha256_words[] = {"none", "all", "tensors", "files", NULL};

_Static_assert(PINPOOL_SHA256_NONE == 0 && PINPOOL_SHA256_ALL == 1 && PINPOOL_SHA256_TENSORS == 2 &&
		       PINPOOL_SHA256_FILES == 3,
	       "sha256_words follows enum pinpool_sha256");

static const struct option_spec options[] = {
	OPTION(0, "io", "METHOD", "how to read (auto takes the first that works here)", OPTION_CHOICE, struct load_args,
	       io, .choices = io_words),
	OPTION(0, "chunk", "SIZE", "bytes of one request, a power of two from 64K to 16M", OPTION_SIZE,
	       struct load_args, chunk),
	OPTION(0, "depth", "N", "requests in flight, 1 to 1024", OPTION_NUMBER, struct load_args, depth, .min = 1,
	       .max = 1024),
	OPTION(0, "no-probe", NULL, "try no settings on a device that is not known yet", OPTION_FLAG, struct load_args,
	       no_probe),
	OPTION(0, "buffered", NULL, "read through the page cache instead of O_DIRECT", OPTION_FLAG, struct load_args,
	       buffered),
	OPTION(0, "no-digest", NULL, "compute no digests; the pool cannot be verified later", OPTION_FLAG,
	       struct load_args, no_digest),
	OPTION(0, "sha256", "WHAT", "compute SHA-256, too", OPTION_CHOICE, struct load_args, sha256,
	       .choices = sha256_words),
	OPTION(0, "digests", "FILE", "fail if digests differ from those listed", OPTION_TEXT, struct load_args,
	       digests),
	OPTION(0, "trace", "FILE", "write the load as a Chrome trace", OPTION_TEXT, struct load_args, trace),
	OPTION(0, "pack", NULL, "pack the tensors for the kernels of this processor on the way", OPTION_FLAG,
	       struct load_args, pack),
	OPTION(0, "tensor", "GLOB", "load only tensors with such names; may be given again", OPTION_TEXTS,
	       struct load_args, tensors),
	OPTION(0, "rank", "R", "load the part of rank R, from 0, of the tensors that are cut", OPTION_NUMBER,
	       struct load_args, rank, .min = 0, .max = 65535),
	OPTION(0, "of", "N", "number of ranks", OPTION_NUMBER, struct load_args, ranks, .min = 1, .max = 65536),
	OPTION(0, "rows", "GLOB", "cut tensors with such names by rows; may be given again", OPTION_TEXTS,
	       struct load_args, rows),
	OPTION(0, "columns", "GLOB", "cut tensors with such names by columns; may be given again", OPTION_TEXTS,
	       struct load_args, columns),
	OPTION(0, "order", "ORDER", "how tensors follow one another in the pool", OPTION_CHOICE, struct load_args,
	       order, .choices = order_words),
	OPTION(0, "no-attach", NULL, "fail if the pool is READY or is being loaded", OPTION_FLAG, struct load_args,
	       no_attach),
	OPTION(0, "attach-digest", NULL, "attach only after reading the files again", OPTION_FLAG, struct load_args,
	       attach_digest),
	OPTION(0, "capacity", "SIZE", "make the pool larger than the files need", OPTION_SIZE, struct load_args,
	       capacity),
	POOL_OPTIONS(struct load_args, pool),
	OPTION('q', "quiet", NULL, "draw no progress bar", OPTION_FLAG, struct load_args, quiet),
	{0},
};

static void report_line(const char *name, const struct pinpool_load_report *report, const struct pinpool_info *info)
{
	double seconds = (double)(report->elapsed_ns ? report->elapsed_ns : 1) * 1e-9;
	char page[SIZE_TEXT_MAX], digest[DIGEST_TEXT_MAX];
	const char *kind = digest_kind_name(report->digest_kind);

	printf("%s: %llu bytes in %.3f s, %.2f GB/s, %s, %s pages, %s, %s, %s%s%s\n", name,
	       (unsigned long long)report->bytes, seconds, (double)report->bytes / seconds * 1e-9,
	       pinpool_backend_name(info->backend), size_long(info->page_size, page), pinpool_io_name(report->io),
	       report->direct ? "O_DIRECT" : "page cache", kind ? kind : "no digest", kind ? " " : "",
	       kind ? digest_text(report->digest, digest) : "");
}

/* Nothing was loaded: the pool had the same already, or somebody else loaded it meanwhile. */
static void attached_line(const char *name, const struct pinpool_load_report *report, const struct pinpool_info *info)
{
	char page[SIZE_TEXT_MAX], digest[DIGEST_TEXT_MAX];
	const char *kind = digest_kind_name(report->digest_kind);

	printf("%s: attached, %llu bytes that are there already, %.3f s, %s, %s pages, %s%s%s\n", name,
	       (unsigned long long)info->length, (double)report->elapsed_ns * 1e-9, pinpool_backend_name(info->backend),
	       size_long(info->page_size, page), kind ? kind : "no digest", kind ? " " : "",
	       kind ? digest_text(report->digest, digest) : "");
}

/* Pool and, with --pack, packings, of which @packed tells then. */
static int load_files(struct cli *cli, const struct load_args *args, const char *name, const char *path,
		      const struct pinpool_load_opts *opts, struct pinpool_load_report *report,
		      struct pinpool_pack_report *packed, uint32_t *threads, struct pinpool_diag *diag)
{
	PINPOOL_OPTS(pinpool_pack_opts, pack);
	int err;

	if (!args->pack)
		return pinpool_load(cli->ctx, name, path, opts, report, diag);
	err = pinpool_math_new(&pack.math, NULL, diag);
	if (err)
		return err;
	err = pinpool_load_packed(cli->ctx, name, path, opts, &pack, report, packed, diag);
	*threads = pinpool_math_threads(pack.math);
	pinpool_math_free(pack.math);
	return err;
}

static int load(struct cli *cli, const struct load_args *args, const struct pinpool_create_opts *create,
		const char *name, const char *path)
{
	struct pinpool_load_report report = {.size = sizeof(report)};
	struct pinpool_pack_report packed = {.size = sizeof(packed)};
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_diag diag = {0};
	struct progress progress;
	struct trace *trace = NULL;
	uint32_t threads = 0;
	int status = STATUS_OK;
	int err;
	PINPOOL_OPTS(pinpool_load_opts, opts, .create = create, .io = args->io, .chunk_bytes = args->chunk,
		     .queue_depth = args->depth, .no_digest = args->no_digest, .buffered = args->buffered,
		     .progress = progress_draw, .progress_arg = &progress, .cancel = interrupt_begin(),
		     .sha256 = args->sha256, .digests = args->digests, .tensors = args->tensors.at,
		     .tensor_count = args->tensors.count, .rank = args->ranks ? args->rank : 0, .ranks = args->ranks,
		     .rows = args->rows.at, .row_count = args->rows.count, .columns = args->columns.at,
		     .column_count = args->columns.count, .order = args->order, .attach = !args->no_attach,
		     .attach_digest = args->attach_digest, .no_probe = args->no_probe);

	if (args->trace) {
		status = trace_open(&trace, cli, args->trace);
		if (status)
			return status;
		opts.trace = trace_event;
		opts.trace_arg = trace;
	}
	progress_begin(&progress, name, args->quiet);
	cli->progress = &progress;
	err = load_files(cli, args, name, path, &opts, &report, &packed, &threads, &diag);
	progress_end(&progress);
	cli->progress = NULL;
	if (trace)
		status = trace_close(trace);
	if (err == -ECANCELED) {
		error_line(cli, name, NULL, "interrupted, nothing was published");
		return STATUS_INTERRUPTED;
	}
	if (!err)
		err = pinpool_pool_stat(cli->ctx, name, &info, &diag);
	if (err)
		return error_diag(cli, err, &diag);
	if (report.attached)
		attached_line(name, &report, &info);
	else
		report_line(name, &report, &info);
	/* What is attached to may have been packed then. */
	if (args->pack && packed.tensors)
		pack_report_line(&packed, threads);
	if (args->digests)
		printf("%s: digests of %s: %llu equal\n", name, args->digests,
		       (unsigned long long)report.digests_equal);
	return status;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct load_args *args = data;
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = args->capacity);
	int status;

	if (args->chunk > UINT32_MAX)
		return error_usage(cli, "--chunk", NULL, "larger than 16M");
	if (args->no_attach && args->attach_digest)
		return error_usage(cli, "--no-attach", "leave one of them out", "not together with --attach-digest");
	if (args->pack && args->no_digest)
		return error_usage(cli, "--pack", "leave one of them out",
				   "needs digests, not together with --no-digest");
	if ((args->rank >= 0) != (args->ranks > 0))
		return error_usage(cli, args->ranks ? "--of" : "--rank", "such as --rank 0 --of 2",
				   "--rank and --of go together");
	if (args->rank >= args->ranks && args->ranks)
		return error_usage(cli, "--rank", "count ranks from 0", "there are %lld ranks", (long long)args->ranks);
	if ((args->rows.count || args->columns.count) && !args->ranks)
		return error_usage(cli, args->rows.count ? "--rows" : "--columns", "such as --rank 0 --of 2",
				   "says what is cut, but not for which rank");
	status = pool_args_apply(cli, &args->pool, &create);
	if (!status)
		status = cli_open(cli);
	return status ? status : load(cli, args, &create, operands[0], operands[1]);
}

const struct command command_load = {
	.name = "load",
	.operands = "NAME PATH",
	.min_operands = 2,
	.max_operands = 2,
	.summary = "stream a checkpoint into a pool and publish it",
	.example = "  pinpool load lite model.safetensors",
	.options = options,
	.args_size = sizeof(struct load_args),
	.defaults = &(const struct load_args){.rank = -1, .pool = POOL_ARGS_DEFAULT},
	.run = run,
};
