/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool verify: is the content still what was committed? */
#include "commands.h"
#include "digest.h"
#include "error.h"
#include "interrupt.h"
#include "progress.h"

#include <errno.h>
#include <stdio.h>

struct verify_args {
	bool quiet;
	bool sha256;
};

static const struct option_spec options[] = {
	OPTION(0, "sha256", NULL, "compare the SHA-256 of tensors and files, too", OPTION_FLAG, struct verify_args,
	       sha256),
	OPTION('q', "quiet", NULL, "draw no progress bar", OPTION_FLAG, struct verify_args, quiet),
	{0},
};

static int verify(struct cli *cli, const struct verify_args *args, const char *name, struct pinpool_pool *pool)
{
	struct pinpool_verify_report report = {.size = sizeof(report)};
	struct pinpool_info info = {.size = sizeof(info)};
	struct pinpool_diag diag = {0};
	char digest[DIGEST_TEXT_MAX];
	struct progress progress;
	double seconds;
	int err;
	PINPOOL_OPTS(pinpool_verify_opts, opts, .progress = progress_draw, .progress_arg = &progress,
		     .cancel = interrupt_begin(), .sha256 = args->sha256);

	progress_begin(&progress, name, args->quiet);
	cli->progress = &progress;
	err = pinpool_verify(pool, &opts, &report, &diag);
	progress_end(&progress);
	cli->progress = NULL;
	if (err == -ECANCELED) {
		error_line(cli, name, NULL, "interrupted, not verified");
		return STATUS_INTERRUPTED;
	}
	if (!err)
		err = pinpool_pool_get_info(pool, &info);
	if (err)
		return error_diag(cli, err, &diag);
	seconds = (double)(report.elapsed_ns ? report.elapsed_ns : 1) * 1e-9;
	printf("%s: %llu bytes equal, %.3f s, %.2f GB/s, %s %s\n", name, (unsigned long long)report.bytes, seconds,
	       (double)report.bytes / seconds * 1e-9, digest_kind_name(info.digest_kind),
	       digest_text(report.digest, digest));
	if (args->sha256)
		printf("%s: %llu SHA-256 equal\n", name, (unsigned long long)report.sha256);
	return STATUS_OK;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	struct pinpool_pool *pool;
	int status;

	status = cli_open_pool(cli, operands[0], PINPOOL_OPEN_READ, &pool);
	if (status)
		return status;
	status = verify(cli, data, operands[0], pool);
	pinpool_pool_close(pool);
	return status;
}

const struct command command_verify = {
	.name = "verify",
	.operands = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "compare a pool with the digest it was published with",
	.example = "  pinpool verify lite",
	.options = options,
	.args_size = sizeof(struct verify_args),
	.run = run,
};
