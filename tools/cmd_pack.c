/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool pack: makes packings of a pool's tensors, lists those that there are, drops them. */
#include "commands.h"
#include "error.h"
#include "interrupt.h"
#include "math_args.h"
#include "pack_list.h"
#include "progress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct pack_args {
	bool list;
	bool drop;
	bool all;
	bool quiet;
	struct math_args math;
	struct table_args table;
};

static const struct option_spec options[] = {
	MATH_OPTIONS(struct pack_args, math),
	OPTION(0, "list", NULL, "list the packings of NAME, or of all pools", OPTION_FLAG, struct pack_args, list),
	TABLE_OPTIONS(struct pack_args, table),
	OPTION(0, "drop", NULL, "remove the packings of NAME for the kernels of --isa", OPTION_FLAG, struct pack_args,
	       drop),
	OPTION(0, "all", NULL, "with --drop: for all kernels", OPTION_FLAG, struct pack_args, all),
	OPTION('q', "quiet", NULL, "draw no progress bar", OPTION_FLAG, struct pack_args, quiet),
	{0},
};

static int make(struct cli *cli, const struct pack_args *args, char **operands, int count)
{
	struct pinpool_pack_report report = {.size = sizeof(report)};
	struct pinpool_math *math;
	struct pinpool_diag diag = {0};
	struct progress progress;
	int err, status;
	PINPOOL_OPTS(pinpool_pack_opts, opts, .tensors = (const char *const *)operands + 1, .tensor_count = count - 1,
		     .progress = progress_draw, .progress_arg = &progress, .cancel = interrupt_begin());

	status = math_args_open(cli, &args->math, &math);
	if (status)
		return status;
	opts.math = math;
	progress_begin(&progress, operands[0], args->quiet);
	cli->progress = &progress;
	err = pinpool_pack(cli->ctx, operands[0], &opts, &report, &diag);
	progress_end(&progress);
	cli->progress = NULL;
	if (err == -ECANCELED) {
		error_line(cli, operands[0], NULL, "interrupted, nothing was published");
		status = STATUS_INTERRUPTED;
	} else {
		status = err ? error_diag(cli, err, &diag) : STATUS_OK;
	}
	if (!status)
		pack_report_line(&report, pinpool_math_threads(math));
	pinpool_math_free(math);
	return status;
}

/* Those for the kernels that this processor would take, or for any that were named. */
static int drop_one(struct cli *cli, const struct pack_args *args, const char *base)
{
	enum pinpool_isa isa = args->math.isa;
	struct pinpool_diag diag = {0};
	struct pinpool_math *math;
	int err;

	if (isa == PINPOOL_ISA_AUTO) {
		const struct math_args one = {.threads = 1};
		int status = math_args_open(cli, &one, &math);

		if (status)
			return status;
		isa = pinpool_math_isa(math);
		pinpool_math_free(math);
	}
	err = pinpool_packings_drop(cli->ctx, base, isa, &diag);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}

/* Those for kernels that this library does not know, too. */
static int drop_unknown(struct cli *cli, const char *base, bool *found)
{
	struct pinpool_diag diag = {0};
	int err, status = STATUS_OK;
	size_t count, i;
	char **names;

	err = pinpool_packings_list(cli->ctx, base, &names, &count);
	if (err)
		return error_errno(cli, "list of pools", err);
	for (i = 0; i < count; i++) {
		err = pinpool_pool_destroy(cli->ctx, names[i], &diag);
		if (err && err != -ENOENT)
			status = error_diag(cli, err, &diag);
		*found = true;
	}
	free(names);
	return status;
}

static int drop_all(struct cli *cli, const char *base)
{
	int isa, err, status = STATUS_OK;
	struct pinpool_diag diag = {0};
	bool found = false;

	for (isa = PINPOOL_ISA_AUTO + 1; isa < PINPOOL_ISA_COUNT; isa++) {
		err = pinpool_packings_drop(cli->ctx, base, isa, &diag);
		found |= !err;
		if (err && err != -ENOENT && err != -ENAMETOOLONG)
			status = error_diag(cli, err, &diag);
	}
	/* What could not be dropped was said; it is not tried again. */
	if (!status)
		status = drop_unknown(cli, base, &found);
	if (!status && !found)
		return error_line(cli, base, "pinpool pack --list shows what there is", "no packings");
	return status;
}

static int check(struct cli *cli, const struct pack_args *args, int count)
{
	const struct table_args *table = &args->table;

	if (args->list && args->drop)
		return error_usage(cli, "--list", "leave one of them out", "not together with --drop");
	if (args->all && (!args->drop || args->math.isa))
		return error_usage(cli, "--all", NULL, "only with --drop, and without --isa");
	if (!args->list && (table->bytes || table->json || table->columns || table->all || table->noheadings))
		return error_usage(cli, NULL, NULL, "options for a table are only for --list");
	if (!args->list && !count)
		return error_usage(cli, NULL, NULL, "NAME is missing");
	if ((args->list || args->drop) && count > 1)
		return error_usage(cli, NULL, NULL, "only NAME with --list and --drop, all its packings go together");
	return STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct pack_args *args = data;
	int status;

	status = check(cli, args, count);
	if (!status)
		status = cli_open(cli);
	if (status)
		return status;
	if (args->list)
		return pack_list(cli, &args->table, count ? operands[0] : NULL);
	if (args->drop)
		return args->all ? drop_all(cli, operands[0]) : drop_one(cli, args, operands[0]);
	return make(cli, args, operands, count);
}

const struct command command_pack = {
	.name = "pack",
	.operands = "[NAME [TENSOR...]]",
	.max_operands = -1,
	.summary = "make, list and drop packings of tensors",
	.example = "  pinpool pack lite\n"
		   "  pinpool pack --list lite\n"
		   "  pinpool pack --drop lite --all",
	.options = options,
	.columns = packing_columns,
	.args_size = sizeof(struct pack_args),
	.run = run,
};
