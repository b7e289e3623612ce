// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Graphs from files to published pools: what is in them is what the files said, however little memory there was, and
 * nothing is left of a build that failed, was cancelled or was killed.
 */
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include "kg/kg.h"

#include <errno.h>
#include <inttypes.h>
#include <pinpool/catalog.h>
#include <pinpool/kg_build.h>
#include <pinpool/kg_query.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define POOL "kg-test"

FIXTURE(build)
{
	struct pool_env env;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
	char temporary[PATH_MAX];
	struct pinpool_kg_build_opts opts;
};

FIXTURE_VARIANT(build)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(build, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(build, hugetlbfs, PINPOOL_BACKEND_HUGETLBFS);

FIXTURE_SETUP(build)
{
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	make_folder(self->folder);
	make_folder(self->temporary);
	self->opts = (struct pinpool_kg_build_opts){.size = sizeof(self->opts), .temporary = self->temporary};
}

FIXTURE_TEARDOWN_PARENT(build)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
	if (self->temporary[0])
		remove_folder(self->temporary);
}

static int build(struct _test_data_build *self, const char *name, struct pinpool_kg_build_report *report)
{
	const char *inputs[] = {in_folder(self->folder, name)};

	memset(&self->diag, 0, sizeof(self->diag));
	return pinpool_kg_build(self->env.ctx, POOL, inputs, 1, &self->opts, report, &self->diag);
}

#define EXPECT_BUILD(err, name, report)                                                                                \
	({                                                                                                             \
		int got_ = build(self, name, report);                                                                  \
		EXPECT_EQ(err, got_)                                                                                   \
		{                                                                                                      \
			TH_LOG("%s: %s (%s)", self->diag.object, self->diag.cause, self->diag.change);                 \
		}                                                                                                      \
		got_;                                                                                                  \
	})

/* An open graph and what it lies in. */
struct opened {
	struct pinpool_pool *pool;
	struct pinpool_kg *kg;
};

static int open_pool(struct _test_data_build *self, struct opened *opened)
{
	int err = pinpool_pool_open(self->env.ctx, POOL, PINPOOL_OPEN_READ, &opened->pool, &self->diag);

	opened->kg = NULL;
	return err ? err : pinpool_kg_open(opened->pool, &opened->kg, &self->diag);
}

static void close_pool(struct opened *opened)
{
	pinpool_kg_close(opened->kg);
	pinpool_pool_close(opened->pool);
}

static uint64_t node(const struct pinpool_kg *kg, enum pinpool_term_kind kind, const char *text)
{
	const struct pinpool_term term = {.kind = kind, .text = text, .bytes = strlen(text)};
	uint64_t found;

	return pinpool_kg_node(kg, &term, &found) ? PINPOOL_KG_ANY : found;
}

static uint64_t predicate(const struct pinpool_kg *kg, enum pinpool_term_kind kind, const char *text)
{
	const struct pinpool_term term = {.kind = kind, .text = text, .bytes = strlen(text)};
	uint64_t found;

	return pinpool_kg_predicate(kg, &term, &found) ? PINPOOL_KG_ANY : found;
}

/* Nothing has a name there; what has none is nobody's once it is closed. */
static int count_files(const char *folder)
{
	DIR *dir = opendir(folder);
	int count = -2;

	while (dir && readdir(dir))
		count++;
	if (dir)
		closedir(dir);
	return count;
}

/* Triples "eI rJ eK" at random, some said twice. Returns how many lines. */
static size_t write_random(const char *path, size_t lines, unsigned int nodes, const char *beginning)
{
	FILE *file = fopen(path, "we");
	uint64_t seed = 9;

	for (size_t i = 0; i < lines; i++) {
		unsigned int numbers[3];

		for (unsigned int k = 0; k < 3; k++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			numbers[k] = (unsigned int)(seed >> 33) % (k == 1 ? 7 : nodes);
		}
		fprintf(file, "%s%u\tr%u\t%s%u\n", beginning, numbers[0], numbers[1], beginning, numbers[2]);
	}
	fclose(file);
	return lines;
}

TEST_F(build, a_graph_is_what_its_file_said)
{
	static const char text[] = "a\tr\tb\nb\tr\tc\na\tq\ta\na\tr\tb\n\na\tr\tc\n";
	struct pinpool_kg_build_report report = {.size = sizeof(report)};
	struct pinpool_kg_info info = {.size = sizeof(info)};
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_source source = {.size = sizeof(source)};
	struct pinpool_catalog *catalog;
	struct pinpool_text memory = {0};
	struct pinpool_kg_iter *iter;
	struct pinpool_triple triple;
	struct pinpool_term term;
	struct opened opened;
	uint64_t a, b, c, r, q, count;

	write_file(in_folder(self->folder, "a.tsv"), text, sizeof(text) - 1);
	ASSERT_EQ(0, EXPECT_BUILD(0, "a.tsv", &report));
	EXPECT_EQ(4, report.triples);
	EXPECT_EQ(1, report.duplicates);
	EXPECT_EQ(3, report.nodes);
	EXPECT_EQ(2, report.predicates);
	EXPECT_EQ(sizeof(text) - 1, report.bytes);
	EXPECT_EQ(0, report.disk_peak);
	EXPECT_LT(0, report.memory_peak);
	EXPECT_LT(0, report.elapsed_ns);

	ASSERT_EQ(0, open_pool(self, &opened));
	ASSERT_EQ(0, pinpool_kg_get_info(opened.kg, &info));
	EXPECT_EQ(4, info.triples);
	EXPECT_EQ(1, info.duplicates);
	a = node(opened.kg, PINPOOL_TERM_NAME, "a");
	b = node(opened.kg, PINPOOL_TERM_NAME, "b");
	c = node(opened.kg, PINPOOL_TERM_NAME, "c");
	r = predicate(opened.kg, PINPOOL_TERM_NAME, "r");
	q = predicate(opened.kg, PINPOOL_TERM_NAME, "q");
	ASSERT_TRUE(a < 3 && b < 3 && c < 3 && r < 2 && q < 2);
	EXPECT_EQ(PINPOOL_KG_ANY, node(opened.kg, PINPOOL_TERM_NAME, "d"));
	EXPECT_EQ(PINPOOL_KG_ANY, node(opened.kg, PINPOOL_TERM_IRI, "a"));
	EXPECT_EQ(PINPOOL_KG_ANY, node(opened.kg, PINPOOL_TERM_NAME, "r"));
	ASSERT_EQ(0, pinpool_kg_term(opened.kg, c, &memory, &term));
	EXPECT_EQ(PINPOOL_TERM_NAME, term.kind);
	EXPECT_EQ(0, strncmp("c", term.text, term.bytes));
	EXPECT_EQ(-ENOENT, pinpool_kg_term(opened.kg, 3, &memory, &term));
	ASSERT_EQ(0, pinpool_kg_predicate_term(opened.kg, q, &memory, &term));
	EXPECT_EQ(0, strncmp("q", term.text, term.bytes));

	ASSERT_EQ(0, pinpool_kg_find(opened.kg, &(struct pinpool_triple){a, r, PINPOOL_KG_ANY}, &iter));
	ASSERT_EQ(1, pinpool_kg_next(iter, &triple));
	EXPECT_TRUE(triple.s == a && triple.p == r && triple.o == b);
	ASSERT_EQ(1, pinpool_kg_next(iter, &triple));
	EXPECT_EQ(c, triple.o);
	EXPECT_EQ(0, pinpool_kg_next(iter, &triple));
	pinpool_kg_iter_free(iter);
	ASSERT_EQ(0, pinpool_kg_find(opened.kg, &(struct pinpool_triple){PINPOOL_KG_ANY, r, PINPOOL_KG_ANY}, &iter));
	ASSERT_EQ(0, pinpool_kg_seek(iter, &(struct pinpool_triple){b, r, 0}));
	ASSERT_EQ(1, pinpool_kg_next(iter, &triple));
	EXPECT_EQ(b, triple.s);
	pinpool_kg_iter_free(iter);
	ASSERT_EQ(0, pinpool_kg_count(opened.kg, &(struct pinpool_triple){PINPOOL_KG_ANY, r, c}, &count));
	EXPECT_EQ(2, count);
	EXPECT_EQ(1, pinpool_kg_has(opened.kg, &(struct pinpool_triple){a, q, a}));
	EXPECT_EQ(0, pinpool_kg_has(opened.kg, &(struct pinpool_triple){a, q, b}));
	ASSERT_EQ(0, pinpool_kg_degree(opened.kg, a, PINPOOL_KG_BOTH, &count));
	EXPECT_EQ(4, count);
	EXPECT_EQ(0, pinpool_kg_check(opened.kg, NULL, &self->diag));

	/* An ordinary catalog, and digests to compare. */
	ASSERT_EQ(0, pinpool_catalog_open(opened.pool, &catalog, &self->diag));
	EXPECT_EQ(KG_SECTIONS + 1, pinpool_catalog_tensor_count(catalog));
	ASSERT_EQ(0, pinpool_catalog_find(catalog, "triples.data", &tensor));
	EXPECT_TRUE(tensor.has_digest);
	ASSERT_EQ(0, pinpool_catalog_source(catalog, 0, &source));
	EXPECT_STREQ("tsv", source.format);
	EXPECT_EQ(sizeof(text) - 1, source.file_bytes);
	EXPECT_EQ('/', source.path[0]);
	pinpool_catalog_close(catalog);
	EXPECT_EQ(0, pinpool_verify(opened.pool, NULL, NULL, &self->diag));
	free(memory.data);
	close_pool(&opened);
	EXPECT_EQ(-EEXIST, build(self, "a.tsv", NULL));
}

TEST_F(build, what_is_near_and_what_hangs_together)
{
	static const char text[] = "alpha\tr\tb\nb\tr\tc\nc\tq\td\nx\tr\ty\n";
	PINPOOL_OPTS(pinpool_kg_reach_opts, reach, .hops = 2);
	PINPOOL_OPTS(pinpool_kg_rank_opts, rank_opts, .iterations = 50);
	struct pinpool_kg_reached *reached;
	uint64_t a, b, c, d, component[6], count, near[2];
	struct pinpool_term look = {.kind = PINPOOL_TERM_NAME, .text = "alphb", .bytes = 5};
	struct opened opened;
	double rank[6], sum = 0;

	write_file(in_folder(self->folder, "a.tsv"), text, sizeof(text) - 1);
	ASSERT_EQ(0, EXPECT_BUILD(0, "a.tsv", NULL));
	ASSERT_EQ(0, open_pool(self, &opened));
	a = node(opened.kg, PINPOOL_TERM_NAME, "alpha");
	b = node(opened.kg, PINPOOL_TERM_NAME, "b");
	c = node(opened.kg, PINPOOL_TERM_NAME, "c");
	d = node(opened.kg, PINPOOL_TERM_NAME, "d");
	ASSERT_EQ(3, pinpool_kg_reach(opened.kg, &a, 1, &reach, &reached));
	EXPECT_TRUE(reached[0].node == a && reached[1].node == b && reached[2].node == c && reached[2].hops == 2);
	free(reached);
	reach.way = PINPOOL_KG_IN;
	reach.one_predicate = true;
	reach.predicate = predicate(opened.kg, PINPOOL_TERM_NAME, "q");
	ASSERT_EQ(2, pinpool_kg_reach(opened.kg, &d, 1, &reach, &reached));
	EXPECT_EQ(c, reached[1].node);
	free(reached);
	reach.most = 1;
	EXPECT_EQ(-ENOSPC, pinpool_kg_reach(opened.kg, &d, 1, &reach, &reached));
	ASSERT_EQ(0, pinpool_kg_components(opened.kg, NULL, component, &count, NULL));
	EXPECT_EQ(2, count);
	EXPECT_EQ(component[a], component[d]);
	EXPECT_NE(component[a], component[node(opened.kg, PINPOOL_TERM_NAME, "x")]);
	ASSERT_EQ(0, pinpool_kg_rank(opened.kg, &rank_opts, rank, NULL));
	for (unsigned int i = 0; i < 6; i++)
		sum += rank[i];
	EXPECT_TRUE(sum > 0.999 && sum < 1.001);
	EXPECT_GT(rank[c], rank[a]);
	ASSERT_LE(1, pinpool_kg_near(opened.kg, &look, near, 2));
	EXPECT_EQ(a, near[0]);
	look.text = "";
	look.bytes = 0;
	ASSERT_EQ(0, pinpool_kg_prefix(opened.kg, &look, &near[0], &count));
	EXPECT_EQ(6, count);
	close_pool(&opened);
}

/* The whole content of the pool. */
static int digest_of(struct _test_data_build *self, uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	struct pinpool_info info = {.size = sizeof(info)};
	int err = pinpool_pool_stat(self->env.ctx, POOL, &info, &self->diag);

	memcpy(digest, info.digest, PINPOOL_DIGEST_BYTES);
	return err;
}

TEST_F(build, little_memory_and_many_threads_make_the_same_graph)
{
	struct pinpool_kg_build_report report = {.size = sizeof(report)};
	uint8_t first[PINPOOL_DIGEST_BYTES], digest[PINPOOL_DIGEST_BYTES];
	struct opened opened;

	/* Names of their own, long enough that one batch does not hold them. */
	write_random(in_folder(self->folder, "r.tsv"), 200000, 170000,
		     "a name that takes some room, as those of entities do, http://example.org/resource/");
	self->opts.threads = 1;
	ASSERT_EQ(0, EXPECT_BUILD(0, "r.tsv", &report));
	ASSERT_EQ(0, digest_of(self, first));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, &self->diag));
	self->opts.threads = 3;
	self->opts.memory = 48 << 20;
	ASSERT_EQ(0, EXPECT_BUILD(0, "r.tsv", &report));
	EXPECT_EQ(3, report.threads);
	EXPECT_LT(8 << 20, report.disk_peak);
	ASSERT_EQ(0, digest_of(self, digest));
	EXPECT_EQ(0, memcmp(first, digest, sizeof(digest)));
	EXPECT_EQ(0, count_files(self->temporary));
	ASSERT_EQ(0, open_pool(self, &opened));
	EXPECT_EQ(0, pinpool_kg_check(opened.kg, NULL, &self->diag));
	close_pool(&opened);
}

/* Edges of every node, one node after the other, as one number; @bytes receives what the triples take. */
static uint64_t edges_of_all(struct _test_data_build *self, uint64_t *bytes)
{
	struct pinpool_kg_info info = {.size = sizeof(info)};
	struct pinpool_triple triple;
	uint64_t sum = 0, count = 0;
	struct opened opened;

	if (open_pool(self, &opened) || pinpool_kg_get_info(opened.kg, &info))
		return 0;
	for (uint64_t s = 0; s < info.nodes; s++) {
		const struct pinpool_triple pattern = {.s = s, .p = PINPOOL_KG_ANY, .o = PINPOOL_KG_ANY};
		struct pinpool_kg_iter *iter;

		if (pinpool_kg_find(opened.kg, &pattern, &iter))
			return 0;
		for (; pinpool_kg_next(iter, &triple) == 1; count++)
			sum = sum * 6364136223846793005u + (triple.s << 32 ^ triple.p << 24 ^ triple.o);
		pinpool_kg_iter_free(iter);
	}
	*bytes = info.triple_bytes;
	if (count != info.triples || pinpool_kg_check(opened.kg, NULL, &self->diag))
		sum = 0;
	close_pool(&opened);
	return sum;
}

TEST_F(build, a_compact_graph_says_the_same_in_fewer_bytes)
{
	uint64_t edges, bytes, fewer;

	write_random(in_folder(self->folder, "r.tsv"), 40000, 9000, "e");
	ASSERT_EQ(0, EXPECT_BUILD(0, "r.tsv", NULL));
	edges = edges_of_all(self, &bytes);
	ASSERT_NE(0, edges);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, &self->diag));
	self->opts.compact = true;
	ASSERT_EQ(0, EXPECT_BUILD(0, "r.tsv", NULL));
	EXPECT_EQ(edges, edges_of_all(self, &fewer));
	/* A byte of a triple at least is what copies would have taken. */
	EXPECT_GT(bytes, fewer + 40000);
}

/* In a process of its own, whose peak is this build's. */
static int peak_of_build(struct _test_data_build *self, const char *name)
{
	struct pinpool_kg_build_report report = {.size = sizeof(report)};
	int pipes[2], status;
	uint64_t peak = 0;
	pid_t pid;

	if (pipe(pipes))
		return -1;
	pid = fork();
	if (!pid) {
		/* A child's peak begins with its parent's: only what it adds counts. */
		FILE *file = fopen("/proc/self/clear_refs", "we");

		if (file) {
			fputs("5", file);
			fclose(file);
		}
		if (!build(self, name, &report)) {
			FILE *read_status = fopen("/proc/self/status", "re");
			char line[256];

			while (fgets(line, sizeof(line), read_status))
				if (!strncmp(line, "VmHWM:", 6))
					peak = strtoull(line + 6, NULL, 10);
		}
		if (write(pipes[1], &peak, sizeof(peak)) != sizeof(peak))
			_exit(2);
		_exit(0);
	}
	close(pipes[1]);
	if (read(pipes[0], &peak, sizeof(peak)) != sizeof(peak))
		peak = 0;
	close(pipes[0]);
	waitpid(pid, &status, 0);
	return (int)(peak >> 10);
}

TEST_F(build, memory_is_bounded_by_what_is_allowed)
{
	int peak;

	if (variant->backend != PINPOOL_BACKEND_SHM)
		SKIP(return, "once is enough");
	/* 70 MB of text and 60 MB of names, in 48 MiB beside the program itself. */
	write_random(in_folder(self->folder, "r.tsv"), 350000, 1u << 30,
		     "a name that takes some room, as those of entities do, http://example.org/resource/");
	self->opts.memory = 48 << 20;
	self->opts.threads = 2;
	peak = peak_of_build(self, "r.tsv");
	EXPECT_LT(0, peak);
	/* The pool's pages are the process's, too, while it fills them. */
	EXPECT_LT(peak, 48 + 12 + 12)
	{
		TH_LOG("%d MiB", peak);
	}
}

TEST_F(build, errors_publish_nothing)
{
	static const char good[] = "a\tr\tb\n", bad[] = "a\tr\tb\na\tr\n";
	const char *inputs[2];
	char first[PATH_MAX];

	write_file(in_folder(self->folder, "bad.tsv"), bad, sizeof(bad) - 1);
	write_file(in_folder(self->folder, "good.tsv"), good, sizeof(good) - 1);
	write_file(in_folder(self->folder, "none.tsv"), "\n\n", 2);
	EXPECT_BUILD(-EBADMSG, "bad.tsv", NULL);
	EXPECT_NE(NULL, strstr(self->diag.object, "bad.tsv: line 2, byte 6"));
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	EXPECT_BUILD(-ENODATA, "none.tsv", NULL);
	EXPECT_BUILD(-ENOENT, "nothing.tsv", NULL);
	/* A pool that was there is EMPTY as before. */
	ASSERT_EQ(0, env_create(&self->env, POOL, 1));
	EXPECT_BUILD(-EBADMSG, "bad.tsv", NULL);
	EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, POOL));
	/* The first of two errors is the one that is told. */
	snprintf(first, sizeof(first), "%s", in_folder(self->folder, "good.tsv"));
	inputs[0] = first;
	inputs[1] = in_folder(self->folder, "bad.tsv");
	EXPECT_EQ(-EBADMSG, pinpool_kg_build(self->env.ctx, POOL, inputs, 2, &self->opts, NULL, &self->diag));
	EXPECT_NE(NULL, strstr(self->diag.object, "bad.tsv: line 2"));
	/* Options. */
	self->opts.memory = 1 << 20;
	EXPECT_BUILD(-EINVAL, "good.tsv", NULL);
	self->opts.memory = 0;
	self->opts.longest = 1;
	EXPECT_BUILD(-EINVAL, "good.tsv", NULL);
	self->opts.longest = 0;
	self->opts.format = 77;
	EXPECT_BUILD(-EINVAL, "good.tsv", NULL);
	self->opts.format = PINPOOL_KG_AUTO;
	EXPECT_EQ(-EINVAL, pinpool_kg_build(self->env.ctx, "a/b", inputs, 1, &self->opts, NULL, &self->diag));
	EXPECT_EQ(-EINVAL, pinpool_kg_build(self->env.ctx, POOL, inputs, 0, &self->opts, NULL, &self->diag));
	EXPECT_EQ(0, count_files(self->temporary));
}

TEST_F(build, a_pool_that_is_too_small_says_what_is_needed)
{
	PINPOOL_OPTS(pinpool_create_opts, create, .capacity = 1);
	uint64_t need;

	write_random(in_folder(self->folder, "r.tsv"), 50000, 400000, "some name ");
	ASSERT_EQ(0, env_create(&self->env, POOL, 1));
	if (variant->backend == PINPOOL_BACKEND_SHM) {
		ASSERT_EQ(-ENOSPC, EXPECT_BUILD(-ENOSPC, "r.tsv", NULL));
		EXPECT_EQ(PINPOOL_STATE_EMPTY, env_state(&self->env, POOL));
	}
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, &self->diag));
	self->opts.create = &create;
	EXPECT_BUILD(-ENOSPC, "r.tsv", NULL);
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	ASSERT_EQ(1, sscanf(self->diag.change, "give a capacity of at least %" SCNu64, &need));
	create.capacity = need - 1;
	EXPECT_BUILD(-ENOSPC, "r.tsv", NULL);
	create.capacity = need;
	EXPECT_BUILD(0, "r.tsv", NULL);
}

/* Progress that ends a build at its call number @left. */
struct stop {
	int left;
	bool kill;
	const char *last;
};

static int stop(void *arg, const struct pinpool_progress *progress)
{
	struct stop *at = arg;

	at->last = progress->tensor;
	if (at->left-- > 0)
		return 0;
	if (at->kill)
		raise(SIGKILL);
	return 1;
}

TEST_F(build, cancelled_at_any_step_it_leaves_nothing)
{
	struct stop at = {0};
	const volatile int cancel = 1;
	bool published = false;

	write_random(in_folder(self->folder, "r.tsv"), 500, 100, "n");
	self->opts.progress = stop;
	self->opts.progress_arg = &at;
	for (int i = 0; i < 100 && !published; i++) {
		int err;

		at.left = i;
		err = build(self, "r.tsv", NULL);
		published = !err;
		if (!published) {
			ASSERT_EQ(-ECANCELED, err);
			ASSERT_EQ(-ENOENT, env_state(&self->env, POOL));
		}
	}
	EXPECT_TRUE(published);
	EXPECT_STREQ("publishing", at.last);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, &self->diag));
	self->opts.progress = NULL;
	self->opts.cancel = &cancel;
	EXPECT_BUILD(-ECANCELED, "r.tsv", NULL);
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
	EXPECT_EQ(0, count_files(self->temporary));
}

/* Writes to the file in work. */
static int append_to_input(void *arg, const struct pinpool_progress *progress)
{
	int fd = open(progress->file, O_WRONLY | O_APPEND | O_CLOEXEC);

	(void)arg;
	if (fd >= 0 && !strcmp(progress->tensor, "reading"))
		write_all(fd, "a\tr\tb\n", 6);
	close(fd);
	return 0;
}

TEST_F(build, an_input_that_is_written_to_meanwhile_is_refused)
{
	write_random(in_folder(self->folder, "r.tsv"), 50, 100, "n");
	self->opts.progress = append_to_input;
	EXPECT_BUILD(-ESTALE, "r.tsv", NULL);
	EXPECT_NE(NULL, strstr(self->diag.object, "r.tsv"));
	EXPECT_EQ(-ENOENT, env_state(&self->env, POOL));
}

TEST_F(build, killed_at_any_step_it_leaves_an_empty_pool_at_most)
{
	struct stop at = {.kill = true};
	bool empty = false, published = false;

	write_random(in_folder(self->folder, "r.tsv"), 500, 100, "n");
	self->opts.progress = stop;
	self->opts.progress_arg = &at;
	for (int i = 0; i < 100 && !published; i++) {
		int status, state;
		pid_t pid;

		at.left = i;
		pid = fork();
		if (!pid)
			_exit(build(self, "r.tsv", NULL) ? 1 : 0);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		state = env_state(&self->env, POOL);
		published = WIFEXITED(status) || state == PINPOOL_STATE_READY;
		if (!published) {
			ASSERT_TRUE(WIFSIGNALED(status));
			ASSERT_TRUE(state == -ENOENT || state == PINPOOL_STATE_EMPTY);
		}
		empty |= state == PINPOOL_STATE_EMPTY;
	}
	/* It was there to be killed while it filled the pool, and what it left is filled by the next one. */
	EXPECT_TRUE(empty);
	EXPECT_TRUE(published);
	EXPECT_EQ(PINPOOL_STATE_READY, env_state(&self->env, POOL));
	EXPECT_EQ(0, count_files(self->temporary));
}

TEST_F(build, blank_nodes_of_two_files_are_two_nodes)
{
	static const char text[] = "_:x <http://p> _:y .\n_:x <http://p> <http://o> .\n";
	const char *inputs[2];
	char first[PATH_MAX];
	struct opened opened;
	struct pinpool_kg_info info = {.size = sizeof(info)};

	write_file(in_folder(self->folder, "a.nt"), text, sizeof(text) - 1);
	write_file(in_folder(self->folder, "b.ttl"), text, sizeof(text) - 1);
	snprintf(first, sizeof(first), "%s", in_folder(self->folder, "a.nt"));
	inputs[0] = first;
	inputs[1] = in_folder(self->folder, "b.ttl");
	ASSERT_EQ(0, pinpool_kg_build(self->env.ctx, POOL, inputs, 2, &self->opts, NULL, &self->diag));
	ASSERT_EQ(0, open_pool(self, &opened));
	ASSERT_EQ(0, pinpool_kg_get_info(opened.kg, &info));
	EXPECT_EQ(4, info.triples);
	EXPECT_EQ(5, info.nodes);
	EXPECT_NE(PINPOOL_KG_ANY, node(opened.kg, PINPOOL_TERM_BLANK, "f1_x"));
	EXPECT_NE(PINPOOL_KG_ANY, node(opened.kg, PINPOOL_TERM_BLANK, "f2_x"));
	close_pool(&opened);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, &self->diag));
	/* Of one file they keep their labels. */
	ASSERT_EQ(0, EXPECT_BUILD(0, "a.nt", NULL));
	ASSERT_EQ(0, open_pool(self, &opened));
	EXPECT_NE(PINPOOL_KG_ANY, node(opened.kg, PINPOOL_TERM_BLANK, "x"));
	close_pool(&opened);
}

TEST_F(build, what_is_no_graph_is_refused)
{
	struct opened opened;

	ASSERT_EQ(0, env_make_ready(&self->env, POOL, 1, 'x'));
	EXPECT_EQ(-ENOENT, open_pool(self, &opened));
	EXPECT_NE(NULL, strstr(self->diag.cause, "no graph"));
	close_pool(&opened);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, &self->diag));
	write_safetensors(in_folder(self->folder, "a.safetensors"),
			  "{\"graph\":{\"dtype\":\"F32\",\"shape\":[12],\"data_offsets\":[0,48]}}", 48);
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, in_folder(self->folder, "a.safetensors"), NULL, NULL, &self->diag));
	EXPECT_EQ(-ENOENT, open_pool(self, &opened));
	close_pool(&opened);
	ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, &self->diag));
	ASSERT_EQ(0, env_create(&self->env, POOL, 1));
	EXPECT_EQ(-ENODATA, open_pool(self, &opened));
	close_pool(&opened);
}

/* All of a small graph's sections, in memory of their own. */
static int copy_sections(struct pinpool_pool *pool, struct kg_sections *sections, struct pinpool_diag *diag)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct pinpool_catalog *catalog;
	char name[KG_NAME_BYTES];
	int err = pinpool_catalog_open(pool, &catalog, diag);

	for (unsigned int i = 0; i <= KG_SECTIONS && !err; i++) {
		void *copy;

		err = pinpool_catalog_find(catalog, i ? kg_section_name(i - 1, name) : KG_HEADER_NAME, &tensor);
		if (err)
			break;
		/* At the end of its memory, so that what reads beyond is seen. */
		copy = malloc(tensor.bytes + 1);
		memcpy(copy, tensor.data, tensor.bytes);
		if (i) {
			sections->at[i - 1] = (struct terms_bytes){copy, tensor.bytes};
		} else {
			sections->header = copy;
			sections->header_bytes = tensor.bytes;
		}
	}
	if (!err)
		pinpool_catalog_close(catalog);
	return err;
}

/* Opens and asks; whatever it says, it ends and reads only what is there. */
static void ask_all(const struct kg_sections *sections)
{
	const struct pinpool_triple any = {PINPOOL_KG_ANY, PINPOOL_KG_ANY, PINPOOL_KG_ANY};
	struct pinpool_kg_info info = {.size = sizeof(info)};
	struct pinpool_text text = {0};
	struct pinpool_kg_iter *iter;
	struct pinpool_triple triple;
	struct pinpool_term term;
	struct pinpool_kg *kg;
	int steps = 0;

	if (kg_open_sections(&kg, sections, "damaged", NULL))
		return;
	pinpool_kg_get_info(kg, &info);
	for (uint64_t i = 0; i < info.nodes && i < 50; i++)
		pinpool_kg_term(kg, i, &text, &term);
	if (!pinpool_kg_find(kg, &any, &iter)) {
		while (steps++ < 1000 && pinpool_kg_next(iter, &triple) > 0)
			;
		pinpool_kg_iter_free(iter);
	}
	pinpool_kg_check(kg, NULL, NULL);
	free(text.data);
	pinpool_kg_close(kg);
}

TEST_F(build, damaged_and_newer_graphs_are_refused)
{
	struct kg_sections sections;
	struct kg_header header;
	struct pinpool_kg *kg;
	struct opened opened;

	if (variant->backend != PINPOOL_BACKEND_SHM)
		SKIP(return, "once is enough");
	write_random(in_folder(self->folder, "r.tsv"), 60, 20, "n");
	ASSERT_EQ(0, EXPECT_BUILD(0, "r.tsv", NULL));
	ASSERT_EQ(0, open_pool(self, &opened));
	ASSERT_EQ(0, copy_sections(opened.pool, &sections, &self->diag));
	close_pool(&opened);
	header = *sections.header;
	sections.header = &header;
	ASSERT_EQ(0, kg_open_sections(&kg, &sections, "sound", &self->diag));
	EXPECT_EQ(0, pinpool_kg_check(kg, NULL, &self->diag));
	pinpool_kg_close(kg);

	header.version++;
	EXPECT_EQ(-EOPNOTSUPP, kg_open_sections(&kg, &sections, "newer", &self->diag));
	header.version--;
	header.magic[0]++;
	EXPECT_EQ(-ENOENT, kg_open_sections(&kg, &sections, "other", &self->diag));
	header.magic[0]--;
	header.nodes++;
	EXPECT_EQ(-EBADMSG, kg_open_sections(&kg, &sections, "another", &self->diag));
	header.nodes--;
	header.triples++;
	EXPECT_EQ(-EBADMSG, kg_open_sections(&kg, &sections, "another", &self->diag));
	header.triples--;
	header.bytes = 8;
	EXPECT_EQ(-EBADMSG, kg_open_sections(&kg, &sections, "short", &self->diag));
	header.bytes = sizeof(header);
	sections.header_bytes--;
	EXPECT_EQ(-EBADMSG, kg_open_sections(&kg, &sections, "short", &self->diag));
	sections.header_bytes++;

	/* Every bit of every section turned, every section cut short. */
	for (unsigned int i = 0; i < KG_SECTIONS; i++) {
		uint8_t *bytes = (uint8_t *)sections.at[i].data;

		for (size_t bit = 0; bit < 8 * sections.at[i].bytes; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			ask_all(&sections);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		for (size_t whole = sections.at[i].bytes, cut = 0; cut < whole; cut++) {
			sections.at[i].bytes = cut;
			ask_all(&sections);
			sections.at[i].bytes = whole;
		}
	}
	for (unsigned int i = 0; i < KG_SECTIONS; i++)
		free((void *)sections.at[i].data);
}

TEST_F(build, a_pipe_is_an_input_and_can_be_given_up)
{
	static const char text[] = "a\tr\tb\n";
	const char *inputs[] = {"-"};
	struct stop at = {.left = 1};
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(STDIN_FILENO, dup2(pipes[0], STDIN_FILENO));
	self->opts.format = PINPOOL_KG_TSV;
	self->opts.progress = stop;
	self->opts.progress_arg = &at;
	/* It says nothing, and is still open. */
	EXPECT_EQ(-ECANCELED, pinpool_kg_build(self->env.ctx, POOL, inputs, 1, &self->opts, NULL, &self->diag));
	ASSERT_EQ((ssize_t)sizeof(text) - 1, write(pipes[1], text, sizeof(text) - 1));
	close(pipes[1]);
	self->opts.progress = NULL;
	EXPECT_EQ(0, pinpool_kg_build(self->env.ctx, POOL, inputs, 1, &self->opts, NULL, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	close(pipes[0]);
}

TEST_HARNESS_MAIN
