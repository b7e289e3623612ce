/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Threads and kernels of a context; see math_args.h. */
#include "math_args.h"
#include "error.h"

const char *const isa_words[] = {"auto", "portable", "avx2", "avx512", "avx512-vnni", "neon", "avx512-bf16", NULL};

_Static_assert(PINPOOL_ISA_AUTO == 0 && PINPOOL_ISA_PORTABLE == 1 && PINPOOL_ISA_AVX2 == 2 && PINPOOL_ISA_AVX512 == 3 &&
		       PINPOOL_ISA_AVX512_VNNI == 4 && PINPOOL_ISA_NEON == 5 && PINPOOL_ISA_AVX512_BF16 == 6 &&
		       PINPOOL_ISA_COUNT == 7,
	       "isa_words follows enum pinpool_isa");

int math_args_open(struct cli *cli, const struct math_args *args, struct pinpool_math **math)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = args->threads, .isa = args->isa);
	struct pinpool_diag diag = {0};
	int err;

	err = pinpool_math_new(math, &opts, &diag);
	return err ? error_diag(cli, err, &diag) : STATUS_OK;
}
