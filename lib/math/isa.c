/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Instruction sets: names, what runs here, the choice. See isa.h. */
#include "math/isa.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __aarch64__
#include <sys/auxv.h>
#endif

#include "base/diag.h"

static const char *const names[PINPOOL_ISA_COUNT] = {
	[PINPOOL_ISA_AUTO] = "auto",
	[PINPOOL_ISA_PORTABLE] = "portable",
	[PINPOOL_ISA_AVX2] = "avx2",
	[PINPOOL_ISA_AVX512] = "avx512",
	[PINPOOL_ISA_AVX512_VNNI] = "avx512-vnni",
	[PINPOOL_ISA_NEON] = "neon",
	[PINPOOL_ISA_AVX512_BF16] = "avx512-bf16",
};

/* Those of this architecture. */
static const struct math_kernels *const tables[PINPOOL_ISA_COUNT] = {
	[PINPOOL_ISA_PORTABLE] = &kernels_portable,
#if defined(__x86_64__)
	[PINPOOL_ISA_AVX2] = &kernels_avx2,
	[PINPOOL_ISA_AVX512] = &kernels_avx512,
	[PINPOOL_ISA_AVX512_VNNI] = &kernels_avx512_vnni,
	[PINPOOL_ISA_AVX512_BF16] = &kernels_avx512_bf16,
#elif defined(__aarch64__)
	[PINPOOL_ISA_NEON] = &kernels_neon,
#endif
};

const char *pinpool_isa_name(enum pinpool_isa isa)
{
	return (unsigned int)isa < PINPOOL_ISA_COUNT ? names[isa] : NULL;
}

#if defined(__x86_64__)
/* __builtin_cpu_supports() also asks whether the system saves the registers. */
static bool machine_runs(enum pinpool_isa isa)
{
	__builtin_cpu_init();
	switch (isa) {
	case PINPOOL_ISA_PORTABLE:
		return true;
	case PINPOOL_ISA_AVX2:
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
		       __builtin_cpu_supports("f16c");
	case PINPOOL_ISA_AVX512:
		return machine_runs(PINPOOL_ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
		       __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
		       __builtin_cpu_supports("avx512vl");
	case PINPOOL_ISA_AVX512_VNNI:
		return machine_runs(PINPOOL_ISA_AVX512) && __builtin_cpu_supports("avx512vnni");
	case PINPOOL_ISA_AVX512_BF16:
		return machine_runs(PINPOOL_ISA_AVX512_VNNI) && __builtin_cpu_supports("avx512bf16") &&
		       __builtin_cpu_supports("avx512vbmi2");
	default:
		return false;
	}
}
#elif defined(__aarch64__)
static bool machine_runs(enum pinpool_isa isa)
{
	return isa == PINPOOL_ISA_PORTABLE || getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}
#else
static bool machine_runs(enum pinpool_isa isa)
{
	return true;
}
#endif

bool pinpool_isa_available(enum pinpool_isa isa)
{
	if (isa == PINPOOL_ISA_AUTO)
		return true;
	return (unsigned int)isa < PINPOOL_ISA_COUNT && tables[isa] && machine_runs(isa);
}

static int from_environment(enum pinpool_isa *isa, struct pinpool_diag *diag)
{
	const char *name = secure_getenv("PINPOOL_ISA");

	if (!name || !*name)
		return 0;
	for (int i = 0; i < PINPOOL_ISA_COUNT; i++) {
		if (!strcmp(name, names[i])) {
			*isa = i;
			return 0;
		}
	}
	return diag_set(diag, -EINVAL, "PINPOOL_ISA", "set it to auto, portable, avx2, avx512, avx512-vnni, avx512-bf16 or neon, or unset it",
			"no instruction set is called '%s'", name);
}

int isa_choose(const struct math_kernels **out, enum pinpool_isa isa, struct pinpool_diag *diag)
{
	int ret;

	if (!pinpool_isa_name(isa))
		return diag_set(diag, -EINVAL, "isa", "use a value of enum pinpool_isa", "%d is no instruction set",
				(int)isa);
	if (isa == PINPOOL_ISA_AUTO) {
		ret = from_environment(&isa, diag);
		if (ret)
			return ret;
	}
	if (isa == PINPOOL_ISA_AUTO) {
		isa = PINPOOL_ISA_COUNT - 1;
		while (!pinpool_isa_available(isa))
			isa--;
	}
	if (!tables[isa])
		return diag_set(diag, -EOPNOTSUPP, names[isa], "use auto or portable",
				"this build of the library has no such kernels");
	if (!pinpool_isa_available(isa))
		return diag_set(diag, -EOPNOTSUPP, names[isa], "use auto or portable",
				"this processor or system cannot run these kernels");
	*out = tables[isa];
	return 0;
}
