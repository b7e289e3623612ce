// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Contexts and their threads: bits do not depend on them, contexts do not meet, the choice of kernels can be forced. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/wait.h>

#include "harness.h"
#include "math/quota.h"
#include "matmul_case.h"

/* Kernels of other architectures than this one. */
static const enum pinpool_isa foreign[] = {
#ifndef __x86_64__
	PINPOOL_ISA_AVX2,
	PINPOOL_ISA_AVX512,
	PINPOOL_ISA_AVX512_VNNI,
	PINPOOL_ISA_AVX512_BF16,
#endif
#ifndef __aarch64__
	PINPOOL_ISA_NEON,
#endif
};

/* The reference of all of them takes minutes where it is emulated, so there they are less wide. */
static struct matmul_case cases[] = {
	{ 1, 1000, 700, PINPOOL_DTYPE_BF16 },  { 3, 501, 333, PINPOOL_DTYPE_F32 },
	{ 8, 2000, 129, PINPOOL_DTYPE_F16 },   { 30, 700, 300, PINPOOL_DTYPE_BF16 },
	{ 2000, 5, 300, PINPOOL_DTYPE_F32 },   { 61, 300, 2100, PINPOOL_DTYPE_BF16 },
	{ 7, 2000, 131, PINPOOL_DTYPE_F8_E4M3 },
	{ 300, 300, 600, PINPOOL_DTYPE_F32 },  { 300, 45, 1100, PINPOOL_DTYPE_F16 },
};

static struct pinpool_math *start(struct __test_metadata *_metadata, enum pinpool_isa isa, uint32_t threads)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .isa = isa, .threads = threads);
	struct pinpool_math *math = NULL;

	ASSERT_EQ(0, pinpool_math_new(&math, &opts, NULL));
	ASSERT_EQ(threads, pinpool_math_threads(math));
	return math;
}

/* The product of a case on a context of its own; the caller frees it. */
static float *product(struct __test_metadata *_metadata, const struct matmul_case *c, enum pinpool_isa isa,
		      uint32_t threads)
{
	struct pinpool_math *math = start(_metadata, isa, threads);
	float *result = malloc(c->m * c->n * 4);
	struct matmul_buffers b;

	ASSERT_NE(NULL, result);
	buffers_new(_metadata, &b, c, 7);
	ASSERT_EQ(0, pinpool_matmul(math, &b.args, NULL));
	memcpy(result, b.y.data, c->m * c->n * 4);
	buffers_free(&b);
	pinpool_math_free(math);
	return result;
}

FIXTURE(threads)
{
};

FIXTURE_VARIANT(threads)
{
	enum pinpool_isa isa;
};

MATH_VARIANTS(threads);

FIXTURE_SETUP(threads)
{
	if (!pinpool_isa_available(variant->isa))
		SKIP(return, "this machine cannot run the %s kernels", pinpool_isa_name(variant->isa));
}

FIXTURE_TEARDOWN(threads)
{
}

TEST_F_TIMEOUT(threads, do_not_show_in_the_bits, TIMEOUT_SECONDS)
{
	static const uint32_t counts[] = { 2, 3, 7 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct matmul_case *c = &cases[i];
		float *alone = product(_metadata, c, variant->isa, 1);

		for (size_t t = 0; t < ARRAY_SIZE(counts); t++) {
			float *shared = product(_metadata, c, variant->isa, counts[t]);

			EXPECT_EQ(0, memcmp(alone, shared, c->m * c->n * 4))
			{
				TH_LOG("%zu x %zu x %zu on %u threads", c->m, c->n, c->k, counts[t]);
			}
			free(shared);
		}
		free(alone);
	}
}

struct side {
	struct __test_metadata *metadata;
	enum pinpool_isa isa;
	uint64_t seed;
	size_t wrong;
};

/* Many products of changing shape on one context, the first result of a shape compared with the later ones. */
static void *run_side(void *arg)
{
	struct side *side = arg;
	struct __test_metadata *_metadata = side->metadata;
	struct pinpool_math *math = start(_metadata, side->isa, 3);
	struct matmul_buffers b[ARRAY_SIZE(cases)];
	float *first[ARRAY_SIZE(cases)];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t size = cases[i].m * cases[i].n * 4;

		first[i] = malloc(size);
		buffers_new(_metadata, &b[i], &cases[i], side->seed + i);
		check_product(_metadata, math, &b[i]);
		memcpy(first[i], b[i].y.data, size);
	}
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
			fill_untouched(&b[i]);
			ASSERT_EQ(0, pinpool_matmul(math, &b[i].args, NULL));
			side->wrong += !!memcmp(first[i], b[i].y.data, cases[i].m * cases[i].n * 4);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		buffers_free(&b[i]);
		free(first[i]);
	}
	pinpool_math_free(math);
	return NULL;
}

TEST_F_TIMEOUT(threads, two_contexts_work_side_by_side, TIMEOUT_SECONDS)
{
	struct side sides[2] = { { _metadata, variant->isa, 100, 0 }, { _metadata, variant->isa, 200, 0 } };
	pthread_t other;

	ASSERT_EQ(0, pthread_create(&other, NULL, run_side, &sides[0]));
	run_side(&sides[1]);
	ASSERT_EQ(0, pthread_join(other, NULL));
	EXPECT_EQ(0, sides[0].wrong);
	EXPECT_EQ(0, sides[1].wrong);
}

/* Products so short that workers are caught entering, leaving, and falling asleep. */
TEST_F_TIMEOUT(threads, take_many_short_products, TIMEOUT_SECONDS)
{
	struct matmul_case c = { 1, 600, 130, PINPOOL_DTYPE_F32 };
	struct pinpool_math *math = start(_metadata, variant->isa, 5);
	float *first = malloc(600 * 4);
	struct matmul_buffers b;
	size_t wrong = 0;

	ASSERT_NE(NULL, first);
	buffers_new(_metadata, &b, &c, 3);
	check_product(_metadata, math, &b);
	memcpy(first, b.y.data, 600 * 4);
	for (int i = 0; i < 3000; i++) {
		memset(b.y.data, 0xff, 600 * 4);
		ASSERT_EQ(0, pinpool_matmul(math, &b.args, NULL));
		wrong += !!memcmp(first, b.y.data, 600 * 4);
		if (i % 500 == 0)
			usleep(2000);
	}
	EXPECT_EQ(0, wrong);
	free(first);
	buffers_free(&b);
	pinpool_math_free(math);
}

struct joining {
	struct pinpool_math *math;
	pthread_t thread;
	int ret;
};

static void *join(void *arg)
{
	struct joining *joining = arg;

	joining->ret = pinpool_math_join(joining->math, NULL);
	return NULL;
}

/* They come while products are made and go while one is: no product knows. */
TEST_F_TIMEOUT(threads, that_join_do_not_show_in_the_bits, TIMEOUT_SECONDS)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .isa = variant->isa, .threads = 1, .joiners = 3);
	struct joining joining[3];
	struct pinpool_math *math;

	ASSERT_EQ(0, pinpool_math_new(&math, &opts, NULL));
	EXPECT_EQ(1, pinpool_math_threads(math));
	for (size_t j = 0; j < ARRAY_SIZE(joining); j++) {
		joining[j] = (struct joining){ .math = math, .ret = 1 };
		ASSERT_EQ(0, pthread_create(&joining[j].thread, NULL, join, &joining[j]));
	}
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct matmul_case *c = &cases[i];
		float *alone = product(_metadata, c, variant->isa, 1);
		struct matmul_buffers b;

		buffers_new(_metadata, &b, c, 7);
		if (i + 1 == ARRAY_SIZE(cases))
			pinpool_math_release(math);
		ASSERT_EQ(0, pinpool_matmul(math, &b.args, NULL));
		EXPECT_EQ(0, memcmp(alone, b.y.data, c->m * c->n * 4));
		buffers_free(&b);
		free(alone);
	}
	for (size_t j = 0; j < ARRAY_SIZE(joining); j++) {
		ASSERT_EQ(0, pthread_join(joining[j].thread, NULL));
		EXPECT_EQ(0, joining[j].ret);
	}
	pinpool_math_free(math);
}

TEST(joining_is_refused_by_name)
{
	struct pinpool_math *math = start(_metadata, PINPOOL_ISA_PORTABLE, 2);
	struct pinpool_diag diag;
	int status;
	pid_t pid;

	EXPECT_EQ(-EINVAL, pinpool_math_join(NULL, &diag));
	EXPECT_STREQ("math", diag.object);
	EXPECT_EQ(-ENOSPC, pinpool_math_join(math, &diag));
	EXPECT_STREQ("joiners", diag.object);
	EXPECT_EQ(-ENOSPC, pinpool_math_join(math, NULL));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(pinpool_math_join(math, &diag) != -ECHILD || strcmp(diag.object, "math"));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	pinpool_math_release(math);
	EXPECT_EQ(0, pinpool_math_join(math, &diag));
	pinpool_math_admit(math);
	EXPECT_EQ(-ENOSPC, pinpool_math_join(math, &diag));
	pinpool_math_free(math);
}

TEST_F(threads, context_works_in_a_forked_child)
{
	struct pinpool_math *math = start(_metadata, variant->isa, 3);
	struct matmul_buffers b;
	float *before;
	int status;
	pid_t pid;

	before = malloc(cases[6].m * cases[6].n * 4);
	ASSERT_NE(NULL, before);
	buffers_new(_metadata, &b, &cases[6], 5);
	ASSERT_EQ(0, pinpool_matmul(math, &b.args, NULL));
	memcpy(before, b.y.data, cases[6].m * cases[6].n * 4);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int ret;

		fill_untouched(&b);
		ret = pinpool_matmul(math, &b.args, NULL);
		pinpool_math_free(math);
		_exit(ret ? 1 : memcmp(before, b.y.data, cases[6].m * cases[6].n * 4) ? 2 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, pinpool_matmul(math, &b.args, NULL));
	free(before);
	buffers_free(&b);
	pinpool_math_free(math);
}

/*
 * As sysfs has them: processors of a core that name the same first one. Programs that are emulated know nothing of cores,
 * and take each processor for one.
 */
static uint32_t count_cores(const cpu_set_t *set)
{
	cpu_set_t firsts;

	if (emulated())
		return CPU_COUNT(set);
	CPU_ZERO(&firsts);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		char path[128];
		int first;
		FILE *file;

		if (!CPU_ISSET(cpu, set))
			continue;
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%d", &first) != 1)
			first = cpu;
		if (file)
			fclose(file);
		CPU_SET(first, &firsts);
	}
	return CPU_COUNT(&firsts);
}

TEST(default_is_one_thread_a_core_this_process_may_use)
{
	uint32_t quota = quota_processors(""), cores;
	struct pinpool_math *math;
	cpu_set_t set, one;
	int cpu = 0;

	unsetenv("PINPOOL_ISA");
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	cores = count_cores(&set);
	ASSERT_EQ(0, pinpool_math_new(&math, NULL, NULL));
	EXPECT_EQ(cores < quota ? cores : quota, pinpool_math_threads(math));
	TH_LOG("%s kernels, %u threads", pinpool_isa_name(pinpool_math_isa(math)), pinpool_math_threads(math));
	pinpool_math_free(math);

	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	ASSERT_EQ(0, pinpool_math_new(&math, NULL, NULL));
	EXPECT_EQ(1, pinpool_math_threads(math));
	pinpool_math_free(math);
}

TEST(more_threads_than_processors_finish)
{
	static const uint32_t counts[] = { 16, PINPOOL_MATH_THREADS_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		struct pinpool_math *math = start(_metadata, PINPOOL_ISA_PORTABLE, counts[i]);
		struct matmul_buffers b;

		buffers_new(_metadata, &b, &cases[5], 5);
		check_product(_metadata, math, &b);
		buffers_free(&b);
		pinpool_math_free(math);
	}
}

TEST(default_leaves_room_for_those_who_join)
{
	PINPOOL_OPTS(pinpool_math_opts, opts, .joiners = PINPOOL_MATH_THREADS_MAX - 1);
	struct pinpool_math *math;

	ASSERT_EQ(0, pinpool_math_new(&math, &opts, NULL));
	EXPECT_EQ(1, pinpool_math_threads(math));
	pinpool_math_free(math);
}

TEST(environment_forces_the_kernels_and_options_go_before)
{
	struct pinpool_math *math;
	struct pinpool_diag diag;

	for (enum pinpool_isa isa = PINPOOL_ISA_PORTABLE; isa < PINPOOL_ISA_COUNT; isa++) {
		PINPOOL_OPTS(pinpool_math_opts, portable, .isa = PINPOOL_ISA_PORTABLE, .threads = 1);
		const char *name = pinpool_isa_name(isa);

		setenv("PINPOOL_ISA", name, 1);
		if (!pinpool_isa_available(isa)) {
			EXPECT_EQ(-EOPNOTSUPP, pinpool_math_new(&math, NULL, &diag));
			EXPECT_STREQ(name, diag.object);
			TH_LOG("%s kernels: not run here: %s", name, diag.cause);
			continue;
		}
		ASSERT_EQ(0, pinpool_math_new(&math, NULL, &diag));
		EXPECT_EQ(isa, pinpool_math_isa(math));
		pinpool_math_free(math);
		ASSERT_EQ(0, pinpool_math_new(&math, &portable, &diag));
		EXPECT_EQ(PINPOOL_ISA_PORTABLE, pinpool_math_isa(math));
		pinpool_math_free(math);
	}
	setenv("PINPOOL_ISA", "mmx", 1);
	EXPECT_EQ(-EINVAL, pinpool_math_new(&math, NULL, &diag));
	EXPECT_STREQ("PINPOOL_ISA", diag.object);
	EXPECT_NE(NULL, strstr(diag.cause, "mmx"));
	setenv("PINPOOL_ISA", "auto", 1);
	ASSERT_EQ(0, pinpool_math_new(&math, NULL, &diag));
	EXPECT_NE(PINPOOL_ISA_AUTO, pinpool_math_isa(math));
	pinpool_math_free(math);
	setenv("PINPOOL_ISA", "", 1);
	ASSERT_EQ(0, pinpool_math_new(&math, NULL, &diag));
	pinpool_math_free(math);
}

TEST(auto_takes_the_best_available)
{
	enum pinpool_isa best = PINPOOL_ISA_COUNT - 1;
	struct pinpool_math *math;

	unsetenv("PINPOOL_ISA");
	while (!pinpool_isa_available(best))
		best--;
	ASSERT_EQ(0, pinpool_math_new(&math, NULL, NULL));
	EXPECT_EQ(best, pinpool_math_isa(math));
	pinpool_math_free(math);
}

TEST(kernels_of_other_architectures_are_refused)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		PINPOOL_OPTS(pinpool_math_opts, opts, .isa = foreign[i], .threads = 1);
		const char *name = pinpool_isa_name(foreign[i]);
		struct pinpool_math *math = NULL;
		struct pinpool_diag diag;

		EXPECT_FALSE(pinpool_isa_available(foreign[i]));
		EXPECT_EQ(-EOPNOTSUPP, pinpool_math_new(&math, &opts, &diag));
		EXPECT_EQ(NULL, math);
		EXPECT_STREQ(name, diag.object);
		EXPECT_NE(NULL, strstr(diag.cause, "this build of the library"));
		TH_LOG("%s kernels: not run, they are of another architecture", name);
	}
}

TEST(names_of_instruction_sets)
{
	EXPECT_STREQ("auto", pinpool_isa_name(PINPOOL_ISA_AUTO));
	EXPECT_STREQ("portable", pinpool_isa_name(PINPOOL_ISA_PORTABLE));
	EXPECT_STREQ("avx2", pinpool_isa_name(PINPOOL_ISA_AVX2));
	EXPECT_STREQ("avx512", pinpool_isa_name(PINPOOL_ISA_AVX512));
	EXPECT_STREQ("avx512-vnni", pinpool_isa_name(PINPOOL_ISA_AVX512_VNNI));
	EXPECT_STREQ("neon", pinpool_isa_name(PINPOOL_ISA_NEON));
	EXPECT_STREQ("avx512-bf16", pinpool_isa_name(PINPOOL_ISA_AVX512_BF16));
	EXPECT_EQ(NULL, pinpool_isa_name(PINPOOL_ISA_COUNT));
	EXPECT_EQ(NULL, pinpool_isa_name((enum pinpool_isa)-1));
	EXPECT_TRUE(pinpool_isa_available(PINPOOL_ISA_PORTABLE));
	EXPECT_FALSE(pinpool_isa_available(PINPOOL_ISA_COUNT));
}

TEST(bad_options_are_refused)
{
	struct {
		struct pinpool_math_opts known;
		uint64_t later;
	} long_opts = { { .size = sizeof(long_opts), .threads = 1 }, 0 };
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = PINPOOL_MATH_THREADS_MAX + 1);
	struct pinpool_math *math = NULL;
	struct pinpool_diag diag;

	unsetenv("PINPOOL_ISA");
	EXPECT_EQ(-EINVAL, pinpool_math_new(NULL, NULL, &diag));
	EXPECT_EQ(-EINVAL, pinpool_math_new(&math, &opts, &diag));
	EXPECT_STREQ("threads", diag.object);
	opts.threads = 1;
	opts.isa = PINPOOL_ISA_COUNT;
	EXPECT_EQ(-EINVAL, pinpool_math_new(&math, &opts, &diag));
	EXPECT_STREQ("isa", diag.object);
	opts.isa = PINPOOL_ISA_AUTO;
	opts.pin = PINPOOL_PIN_ON + 1;
	EXPECT_EQ(-EINVAL, pinpool_math_new(&math, &opts, &diag));
	EXPECT_STREQ("pin", diag.object);
	opts.pin = PINPOOL_PIN_AUTO;
	opts.joiners = PINPOOL_MATH_THREADS_MAX;
	EXPECT_EQ(-EINVAL, pinpool_math_new(&math, &opts, &diag));
	EXPECT_STREQ("joiners", diag.object);
	opts.joiners = UINT32_MAX;
	EXPECT_EQ(-EINVAL, pinpool_math_new(&math, &opts, &diag));
	opts.threads = PINPOOL_MATH_THREADS_MAX;
	opts.joiners = 1;
	EXPECT_EQ(-EINVAL, pinpool_math_new(&math, &opts, &diag));
	EXPECT_STREQ("joiners", diag.object);
	opts.threads = 1;
	opts.joiners = 0;
	opts.size = 0;
	EXPECT_EQ(-EINVAL, pinpool_math_new(&math, &opts, &diag));
	EXPECT_STREQ("opts", diag.object);
	EXPECT_EQ(NULL, math);

	ASSERT_EQ(0, pinpool_math_new(&math, &long_opts.known, &diag));
	pinpool_math_free(math);
	long_opts.later = 1;
	EXPECT_EQ(-E2BIG, pinpool_math_new(&math, &long_opts.known, &diag));
	pinpool_math_free(NULL);
}

static __attribute__((constructor)) void fit_cases(void)
{
	for (size_t i = 0; emulated() && i < ARRAY_SIZE(cases); i++)
		cases[i].n = (cases[i].n + 3) / 4;
}

TEST_HARNESS_MAIN
