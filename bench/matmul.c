// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Matrix products beside OpenBLAS and beside what the machine can do: a JSON array of rows on stdout, what was compared
 * on stderr. Each round times a limit, ours, the rival and the limit again; a round whose limit was low ran on a busy
 * or slow processor and is repeated. Rows are medians, ratios medians of the rounds' ratios.
 *
 * usage: matmul [ROUNDS]
 *
 * PINPOOL_ISA forces our kernels. OPENBLAS_CORETYPE forces OpenBLAS's; without it, an OpenBLAS that does not know this
 * processor and falls back to old kernels gets the best of its kernels that run here.
 */
#include <dlfcn.h>
#include <immintrin.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <pinpool/math.h>

#define MAX_ROUNDS 64
/* A round counts if the limit measured before and after it reaches this share of the highest. */
#define QUIET 0.93
/* W of a bandwidth row is read from copies of this many bytes in all, or it would come from a cache. */
#define ROTATE_BYTES ((size_t)512 << 20)
#define MAX_THREADS 64

enum rival_order { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

struct rival {
	const char *core;
	void (*set_threads)(int);
	void (*sgemm)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
	void (*sgemv)(int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
};

struct row {
	char name[64];
	size_t m;
	size_t n;
	size_t k;
	enum pinpool_dtype dtype;
	unsigned int threads;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what)
{
	fprintf(stderr, "matmul: %s\n", what);
	exit(1);
}

/* ---- limits -------------------------------------------------------------------------------------------------- */

#define FMA_CHAINS 12
#define FMA_ROUNDS 1000000

/* Registers only. The empty asm keeps the compiler from folding the chains. Results: floating-point operations. */
#define FMA_LOOP(isa, features, type, set1, fma)                                                          \
	__attribute__((target(features), noinline)) static double fma_##isa(void)                         \
	{                                                                                                 \
		type chain[FMA_CHAINS], half = set1(0.5f);                                                \
                                                                                                          \
		_Pragma("GCC unroll 12") for (int i = 0; i < FMA_CHAINS; i++) chain[i] = set1(1.0f);      \
		for (int round = 0; round < FMA_ROUNDS; round++) {                                        \
			_Pragma("GCC unroll 12") for (int i = 0; i < FMA_CHAINS; i++)                     \
			{                                                                                 \
				chain[i] = fma(chain[i], half, half);                                     \
				__asm__ volatile("" : "+v"(chain[i]));                                    \
			}                                                                                 \
		}                                                                                         \
		return 2.0 * FMA_CHAINS * FMA_ROUNDS * (sizeof(type) / sizeof(float));                    \
	}

#define MULTIPLY_ADD(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)

FMA_LOOP(portable, "sse2", __m128, _mm_set1_ps, MULTIPLY_ADD)
FMA_LOOP(avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps)
FMA_LOOP(avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps)

static double (*const fma_loops[PINPOOL_ISA_COUNT])(void) = {
	[PINPOOL_ISA_PORTABLE] = fma_portable,
	[PINPOOL_ISA_AVX2] = fma_avx2,
	[PINPOOL_ISA_AVX512] = fma_avx512,
};

/* One word of each cache line, from six streams side by side. Result: bytes. */
static double read_part(const unsigned char *data, size_t bytes)
{
	size_t run = bytes / 6 / 64 * 64;
	uint64_t sum = 0;

	for (size_t i = 0; i < run; i += 64) {
#pragma GCC unroll 6
		for (size_t s = 0; s < 6; s++) {
			__builtin_prefetch(data + s * run + i + 1024);
			sum += *(const uint64_t *)(data + s * run + i);
		}
	}
	__asm__ volatile("" : : "r"(sum));
	return 6.0 * (double)run;
}

struct limit {
	enum pinpool_isa isa;
	/* To read, or NULL to multiply. */
	const unsigned char *data;
	size_t bytes;
	unsigned int threads;
	atomic_uint ready;
	double amount[MAX_THREADS];
};

struct limit_thread {
	struct limit *limit;
	unsigned int index;
};

static void *run_limit(void *arg)
{
	struct limit_thread *thread = arg;
	struct limit *limit = thread->limit;
	size_t part = limit->bytes / limit->threads / 64 * 64;

	atomic_fetch_add(&limit->ready, 1);
	while (atomic_load(&limit->ready) < limit->threads)
		;
	limit->amount[thread->index] = limit->data ? read_part(limit->data + thread->index * part, part) :
						     fma_loops[limit->isa]();
	return NULL;
}

/* 1e9 operations or bytes a second, all threads together. */
static double measure_limit(enum pinpool_isa isa, const unsigned char *data, size_t bytes, unsigned int threads)
{
	struct limit limit = { .isa = isa, .data = data, .bytes = bytes, .threads = threads };
	struct limit_thread args[MAX_THREADS];
	pthread_t ids[MAX_THREADS];
	double amount = 0, start;

	for (unsigned int i = 0; i < threads; i++)
		args[i] = (struct limit_thread){ &limit, i };
	for (unsigned int i = 1; i < threads; i++)
		if (pthread_create(&ids[i], NULL, run_limit, &args[i]))
			die("cannot start threads");
	while (atomic_load(&limit.ready) < threads - 1)
		;
	start = now();
	run_limit(&args[0]);
	for (unsigned int i = 1; i < threads; i++)
		pthread_join(ids[i], NULL);
	start = now() - start;
	for (unsigned int i = 0; i < threads; i++)
		amount += limit.amount[i];
	return amount / start * 1e-9;
}

/* ---- the rival ------------------------------------------------------------------------------------------------ */

/* 2: 512-bit kernels, 1: 256-bit, 0: older. */
static int core_level(const char *core)
{
	static const char *const wide[] = { "SkylakeX", "Cooperlake", "SapphireRapids" };
	static const char *const middle[] = { "Haswell", "Zen", "Excavator" };

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (!strcasecmp(core, wide[i]))
			return 2;
	for (size_t i = 0; i < sizeof(middle) / sizeof(middle[0]); i++)
		if (!strcasecmp(core, middle[i]))
			return 1;
	return 0;
}

static bool rival_open(struct rival *rival, char **argv)
{
	int level = pinpool_isa_available(PINPOOL_ISA_AVX512) ? 2 : pinpool_isa_available(PINPOOL_ISA_AVX2) ? 1 : 0;
	void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
	char *(*core)(void);

	if (!library)
		return false;
	core = (char *(*)(void))dlsym(library, "openblas_get_corename");
	*rival = (struct rival){
		.set_threads = (void (*)(int))dlsym(library, "openblas_set_num_threads"),
		.sgemm = dlsym(library, "cblas_sgemm"),
		.sgemv = dlsym(library, "cblas_sgemv"),
	};
	if (!core || !rival->set_threads || !rival->sgemm || !rival->sgemv)
		die("libopenblas.so.0 is not OpenBLAS");
	rival->core = core();
	/* It reads the variable once, when it is loaded. */
	if (!getenv("OPENBLAS_CORETYPE") && core_level(rival->core) < level) {
		fprintf(stderr, "matmul: OpenBLAS chose %s here; forcing better\n", rival->core);
		setenv("OPENBLAS_CORETYPE", level == 2 ? "SkylakeX" : "Haswell", 1);
		execv("/proc/self/exe", argv);
		die("cannot start again");
	}
	return true;
}

/* ---- rows ----------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int count)
{
	qsort(values, count, sizeof(*values), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static void *allocate(size_t size)
{
	void *memory;

	if (posix_memalign(&memory, (size_t)2 << 20, size))
		die("not enough memory");
	madvise(memory, size, MADV_HUGEPAGE);
	return memory;
}

static float noise(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return (float)(*state >> 8) * 0x1p-24f - 0.5f;
}

/* Where a block has numbers of f16, ended by -1. */
static const int *block_scales(enum pinpool_dtype dtype)
{
	static const int at_first[] = { 0, -1 }, two[] = { 0, 2, -1 }, at_last[] = { 208, -1 };

	return dtype == PINPOOL_DTYPE_Q4_K ? two : dtype == PINPOOL_DTYPE_Q6_K ? at_last : at_first;
}

static void fill_weights(unsigned char *w, enum pinpool_dtype dtype, size_t count, uint32_t *state)
{
	size_t block = pinpool_dtype_block_values(dtype), bytes = pinpool_dtype_bytes(dtype, block ? block : 1);

	for (size_t i = 0; i < pinpool_dtype_bytes(dtype, count); i += bytes) {
		float value = noise(state);

		/* Little-endian: the upper half of an f32 is the bf16. */
		if (!block) {
			memcpy(w + i, (unsigned char *)&value + 4 - bytes, bytes);
			continue;
		}
		for (size_t byte = 0; byte < bytes; byte++, noise(state))
			w[i + byte] = *state >> 24;
		for (const int *at = block_scales(dtype); *at >= 0; at++)
			w[i + *at + 1] = (w[i + *at + 1] & 0x83) | 0x20;
	}
}

/* The magnitudes of activations as the budget takes them: each as large as the largest of its run. */
static float *activation_magnitudes(const struct row *row, const float *x)
{
	size_t block = pinpool_dtype_block_values(row->dtype), run = block ? block : 1, count = row->m * row->k;
	float *magnitudes = allocate(count * sizeof(*magnitudes));

	for (size_t first = 0; first < count; first += run) {
		float largest = 0;

		for (size_t i = 0; i < run; i++)
			largest = fmaxf(largest, fabsf(x[first + i]));
		for (size_t i = 0; i < run; i++)
			magnitudes[first + i] = largest;
	}
	return magnitudes;
}

/* A fast wrong result is none: a sample of Y against sums in double. */
static void check(const char *whose, const struct row *row, const float *x, const unsigned char *w, const float *y)
{
	double budget = PINPOOL_MATMUL_BUDGET(row->k) +
			(pinpool_dtype_block_values(row->dtype) ? PINPOOL_MATMUL_QUANT : 0);
	float *weights = allocate(row->k * sizeof(*weights)), *magnitudes = activation_magnitudes(row, x);
	uint32_t state = 1;

	for (int sample = 0; sample < 200; sample++) {
		size_t i, j;
		double sum = 0, magnitude = 0;

		noise(&state);
		i = (state >> 8) % row->m;
		noise(&state);
		j = (state >> 8) % row->n;
		if (pinpool_matmul_weights(row->dtype, w + pinpool_dtype_bytes(row->dtype, j * row->k), weights, row->k))
			die("no such type");
		for (size_t l = 0; l < row->k; l++) {
			sum += (double)x[i * row->k + l] * weights[l];
			magnitude += (double)magnitudes[i * row->k + l] * fabsf(weights[l]);
		}
		if (!(fabs(y[i * row->n + j] - sum) <= budget * magnitude)) {
			fprintf(stderr, "matmul: %s: %s: y[%zu][%zu] is %g, not %g\n", row->name, whose, i, j,
				y[i * row->n + j], sum);
			exit(1);
		}
	}
	free(weights);
	free(magnitudes);
}

static void run_rival(const struct rival *rival, const struct row *row, const float *x, const float *w, float *y)
{
	int m = (int)row->m, n = (int)row->n, k = (int)row->k;

	if (m == 1)
		rival->sgemv(ROW_MAJOR, NO_TRANS, n, k, 1, w, k, x, 1, 0, y, 1);
	else
		rival->sgemm(ROW_MAJOR, NO_TRANS, TRANS, m, n, k, 1, x, k, w, k, 0, y, n);
}

static void run_row(const struct row *row, const struct rival *rival, int rounds, bool first)
{
	size_t w_bytes = pinpool_dtype_bytes(row->dtype, row->n * row->k);
	bool streamed = row->m == 1;
	size_t copies = streamed ? (ROTATE_BYTES + w_bytes - 1) / w_bytes : 1, copy = 0;
	PINPOOL_OPTS(pinpool_math_opts, opts, .threads = row->threads);
	double ours[MAX_ROUNDS], theirs[MAX_ROUNDS], ratio[MAX_ROUNDS], limits[MAX_ROUNDS], share[MAX_ROUNDS];
	double best = 0, work = 1e-9 * (streamed ? (double)w_bytes : 2.0 * (double)(row->m * row->n * row->k));
	float *x = allocate(row->m * row->k * 4), *y = allocate(row->m * row->n * 4);
	unsigned char *w = allocate(w_bytes * copies);
	const char *unit = streamed ? "GB/s" : "GFLOP/s";
	struct pinpool_diag diag;
	struct pinpool_math *math;
	uint32_t state = 1;
	int done = 0, repeated = 0;

	if (row->dtype != PINPOOL_DTYPE_F32)
		rival = NULL;
	if (pinpool_math_new(&math, &opts, &diag)) {
		fprintf(stderr, "matmul: %s: %s\n", diag.object, diag.cause);
		exit(1);
	}
	for (size_t i = 0; i < row->m * row->k; i++)
		x[i] = noise(&state);
	fill_weights(w, row->dtype, row->n * row->k, &state);
	for (size_t i = 1; i < copies; i++)
		memcpy(w + i * w_bytes, w, w_bytes);
	if (rival)
		rival->set_threads((int)row->threads);

	/* Round -1 warms up and is checked. */
	for (int round = -1; done < rounds; round++) {
		PINPOOL_OPTS(pinpool_matmul_args, args, .m = row->m, .n = row->n, .k = row->k, .x = x,
			     .w_dtype = row->dtype, .y = y);
		double before, after, low, a, b = 0;

		/* Worker threads of OpenBLAS spin for a while after their work. */
		if (row->threads > 1 && rival)
			usleep(60000);
		before = measure_limit(pinpool_math_isa(math), streamed ? w : NULL, w_bytes * copies, row->threads);
		args.w = w + copy++ % copies * w_bytes;
		a = now();
		if (pinpool_matmul(math, &args, &diag))
			die(diag.cause);
		a = now() - a;
		if (round < 0)
			check("ours", row, x, w, y);
		if (rival) {
			const unsigned char *theirs_w = w + copy++ % copies * w_bytes;

			b = now();
			run_rival(rival, row, x, (const float *)theirs_w, y);
			b = now() - b;
			if (round < 0)
				check("OpenBLAS", row, x, w, y);
			if (row->threads > 1)
				usleep(60000);
		}
		after = measure_limit(pinpool_math_isa(math), streamed ? w : NULL, w_bytes * copies, row->threads);
		low = fmin(before, after);
		best = fmax(best, fmax(before, after));
		if (round < 0 || (low < QUIET * best && repeated++ < 2 * rounds))
			continue;
		ours[done] = work / a;
		theirs[done] = rival ? work / b : 0;
		ratio[done] = rival ? b / a : 0;
		limits[done] = (before + after) / 2;
		share[done] = ours[done] / limits[done];
		done++;
	}

	printf("%s{\"name\": \"%s\", \"ours\": %.2f, \"unit\": \"%s\", ", first ? "" : ",\n ", row->name,
	       median(ours, rounds), unit);
	if (rival)
		printf("\"rival\": %.2f, \"rival_name\": \"OpenBLAS %s\", \"ratio\": %.3f, ", median(theirs, rounds),
		       rival->core, median(ratio, rounds));
	else
		printf("\"rival\": null, \"rival_name\": null, \"ratio\": null, ");
	printf("\"limit\": %.2f, \"limit_share\": %.3f}", median(limits, rounds), median(share, rounds));
	fflush(stdout);
	fprintf(stderr, "matmul: %s: %s kernels, %u threads, %d rounds, %d repeated; ours %.1f to %.1f %s, limit %s\n",
		row->name, pinpool_isa_name(pinpool_math_isa(math)), row->threads, rounds, repeated, ours[0],
		ours[rounds - 1], unit, streamed ? "reading memory" : "multiplying in registers");
	pinpool_math_free(math);
	free(x);
	free(y);
	free(w);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 11;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned int all = processors > MAX_THREADS ? MAX_THREADS : (unsigned int)processors;
	const struct row rows[] = {
		{ "matmul.f32.2048", 2048, 2048, 2048, PINPOOL_DTYPE_F32, 1 },
		{ "matmul.f32.2048", 2048, 2048, 2048, PINPOOL_DTYPE_F32, all },
		{ "matmul.bf16.2048", 2048, 2048, 2048, PINPOOL_DTYPE_BF16, all },
		{ "matmul.f32.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_F32, all },
		{ "matmul.bf16.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_BF16, 1 },
		{ "matmul.bf16.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_BF16, all },
		{ "matmul.q8_0.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_Q8_0, 1 },
		{ "matmul.q8_0.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_Q8_0, all },
		{ "matmul.q4_0.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_Q4_0, 1 },
		{ "matmul.q4_0.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_Q4_0, all },
		{ "matmul.q4_k.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_Q4_K, 1 },
		{ "matmul.q4_k.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_Q4_K, all },
		{ "matmul.q6_k.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_Q6_K, 1 },
		{ "matmul.q6_k.4096x4096.m1", 1, 4096, 4096, PINPOOL_DTYPE_Q6_K, all },
	};
	struct rival rival;
	bool beside;

	if (rounds < 1 || rounds > MAX_ROUNDS)
		die("usage: matmul [ROUNDS], at most 64");
	beside = rival_open(&rival, argv);
	if (!beside)
		fprintf(stderr, "matmul: no libopenblas.so.0 (package libopenblas0-pthread): rows without a rival\n");
	printf("[");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct row row = rows[i];
		size_t length = strlen(row.name);

		snprintf(row.name + length, sizeof(row.name) - length, ".t%u", row.threads);
		run_row(&row, beside ? &rival : NULL, rounds, i == 0);
	}
	printf("]\n");
	return 0;
}
