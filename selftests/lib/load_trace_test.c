// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * What a load tells of itself while it goes: events of every request in their order, on every path, whole or cancelled;
 * and the tensor in work.
 */
#include "checkpoints.h"
#include "harness.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/load.h>

#define POOL	   "load-trace"
#define MOST	   4096
#define HALF	   (3u << 20)
#define CHUNK	   65536
#define BYTES_TEXT "3145728"

struct events {
	struct pinpool_trace_event at[MOST];
	size_t count;
	char file[PATH_MAX];
	bool other_file;
	bool inside; /* a call goes on */
	bool at_once;
	const char *tensors[MOST];
	uint64_t last_tensor;
	uint64_t tensor_count;
	bool falls;
	unsigned int ticks;
	unsigned int cancel_at; /* event */
	volatile int cancel;
};

static struct events events;

FIXTURE(trace)
{
	struct pool_env env;
	struct pinpool_load_opts opts;
	struct pinpool_load_report report;
	struct pinpool_diag diag;
	char folder[PATH_MAX];
};

FIXTURE_VARIANT(trace)
{
	enum pinpool_backend backend;
};

POOL_VARIANT(trace, shm, PINPOOL_BACKEND_SHM);
POOL_VARIANT(trace, module, PINPOOL_BACKEND_MODULE);

static void keep(void *arg, const struct pinpool_trace_event *event)
{
	struct events *kept = arg;

	kept->at_once |= kept->inside;
	kept->inside = true;
	if (kept->count < MOST)
		kept->at[kept->count++] = *event;
	kept->other_file |= strcmp(event->file, kept->file) != 0;
	if (kept->count == kept->cancel_at)
		kept->cancel = 1;
	kept->inside = false;
}

static int note(void *arg, const struct pinpool_progress *progress)
{
	struct events *kept = arg;

	kept->falls |= kept->ticks && progress->tensor_index < kept->last_tensor;
	kept->last_tensor = progress->tensor_index;
	kept->tensor_count = progress->tensors;
	if (progress->tensor)
		kept->tensors[progress->tensor_index] = strdup(progress->tensor);
	kept->ticks++;
	return 0;
}

FIXTURE_SETUP(trace)
{
	static const char header[] = "{\"a\":{\"dtype\":\"U8\",\"shape\":[" BYTES_TEXT
				     "],\"data_offsets\":[0," BYTES_TEXT "]},\"b\":{\"dtype\":\"U8\",\"shape\":[" BYTES_TEXT
				     "],\"data_offsets\":[" BYTES_TEXT ",6291456]}}";
	const char *why = env_open(&self->env, variant->backend);

	if (why)
		SKIP(return, "backend %s: %s", pinpool_backend_name(variant->backend), why);
	memset(&events, 0, sizeof(events));
	make_folder(self->folder);
	snprintf(events.file, sizeof(events.file), "%s", in_folder(self->folder, "model.safetensors"));
	write_safetensors(events.file, header, 2 * HALF);
	self->report.size = sizeof(self->report);
	self->opts = (struct pinpool_load_opts){
		.size = sizeof(self->opts),
		.chunk_bytes = CHUNK,
		.queue_depth = 4,
		.trace = keep,
		.trace_arg = &events,
		.progress = note,
		.progress_arg = &events,
		.cancel = &events.cancel,
	};
}

FIXTURE_TEARDOWN_PARENT(trace)
{
	env_clean(&self->env);
	if (self->folder[0])
		remove_folder(self->folder);
}

static const struct pinpool_trace_event *find(enum pinpool_trace_kind kind, uint64_t chunk)
{
	const struct pinpool_trace_event *found = NULL;

	for (size_t i = 0; i < events.count; i++) {
		if (events.at[i].kind != kind || events.at[i].chunk != chunk)
			continue;
		if (found)
			return NULL;
		found = &events.at[i];
	}
	return found;
}

/* Of events of one kind in one row, none begins before the one before it has ended. */
static bool rows_are_in_order(enum pinpool_trace_kind kind)
{
	uint64_t ends[64] = {0};

	for (size_t i = 0; i < events.count; i++) {
		const struct pinpool_trace_event *event = &events.at[i];

		if (event->kind != kind)
			continue;
		if (event->thread >= 64 || event->begin_ns < ends[event->thread] || event->end_ns < event->begin_ns)
			return false;
		ends[event->thread] = event->end_ns;
	}
	return true;
}

static uint64_t bytes_of(enum pinpool_trace_kind kind)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < events.count; i++)
		bytes += events.at[i].kind == kind ? events.at[i].bytes : 0;
	return bytes;
}

TEST_F(trace, every_chunk_is_submitted_completed_and_digested)
{
	static const enum pinpool_io paths[] = {PINPOOL_IO_AUTO, PINPOOL_IO_URING, PINPOOL_IO_PREAD};

	for (size_t i = 0; i < 3; i++) {
		const struct pinpool_trace_event *read, *digest;
		uint64_t chunk = 0, offset = 0;

		events.count = events.ticks = 0;
		self->opts.io = paths[i];
		self->opts.sha256 = i ? PINPOOL_SHA256_NONE : PINPOOL_SHA256_ALL;
		/* Where io_uring is switched off, there is nothing to see. */
		if (pinpool_load(self->env.ctx, POOL, events.file, &self->opts, &self->report, &self->diag) == -EOPNOTSUPP)
			continue;
		for (; offset < self->report.bytes; chunk++) {
			read = find(PINPOOL_TRACE_READ, chunk);
			digest = find(PINPOOL_TRACE_DIGEST, chunk);
			ASSERT_NE(NULL, read);
			ASSERT_NE(NULL, digest);
			EXPECT_EQ(offset, read->offset);
			EXPECT_EQ(offset, digest->offset);
			EXPECT_EQ(read->bytes, digest->bytes);
			EXPECT_LE(read->begin_ns, read->end_ns);
			EXPECT_LE(read->end_ns, digest->begin_ns);
			EXPECT_LE(digest->begin_ns, digest->end_ns);
			EXPECT_LT(read->thread, 4);
			offset += read->bytes;
		}
		EXPECT_EQ(self->report.bytes, offset);
		EXPECT_LE(6 * 1048576 / CHUNK, chunk);
		EXPECT_TRUE(rows_are_in_order(PINPOOL_TRACE_READ));
		EXPECT_TRUE(rows_are_in_order(PINPOOL_TRACE_DIGEST));
		EXPECT_TRUE(rows_are_in_order(PINPOOL_TRACE_SHA256));
		/* The file, and its tensors. */
		EXPECT_EQ(i ? 0 : self->report.bytes + 2 * HALF, bytes_of(PINPOOL_TRACE_SHA256));
		EXPECT_FALSE(events.other_file);
		EXPECT_FALSE(events.at_once);
		EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

TEST_F(trace, a_cancelled_load_has_told_what_it_did)
{
	for (enum pinpool_io io = PINPOOL_IO_AUTO; io <= PINPOOL_IO_PREAD; io += PINPOOL_IO_PREAD) {
		events.count = 0;
		events.cancel = 0;
		events.cancel_at = 10;
		self->opts.io = io;
		EXPECT_EQ(-ECANCELED,
			  pinpool_load(self->env.ctx, POOL, events.file, &self->opts, &self->report, &self->diag));
		EXPECT_LE(10, events.count);
		EXPECT_TRUE(rows_are_in_order(PINPOOL_TRACE_READ));
		for (size_t i = 0; i < events.count; i++)
			if (events.at[i].kind == PINPOOL_TRACE_DIGEST)
				EXPECT_NE(NULL, find(PINPOOL_TRACE_READ, events.at[i].chunk));
	}
}

TEST_F(trace, progress_names_the_tensor_in_work)
{
	for (int digests = 0; digests < 2; digests++) {
		events.ticks = 0;
		events.last_tensor = 0;
		self->opts.no_digest = !digests;
		ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, events.file, &self->opts, &self->report, &self->diag));
		EXPECT_LE(1, events.ticks);
		EXPECT_EQ(2, events.tensor_count);
		EXPECT_EQ(1, events.last_tensor);
		EXPECT_STREQ("b", events.tensors[1]);
		EXPECT_TRUE(!events.tensors[0] || !strcmp(events.tensors[0], "a"));
		EXPECT_FALSE(events.falls);
		EXPECT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

TEST_F(trace, tensors_of_all_files_are_counted)
{
	static const char index[] = "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"1.safetensors\","
				    "\"c\":\"2.safetensors\",\"d\":\"3.safetensors\"}}";

	unlink(events.file);
	write_safetensors(in_folder(self->folder, "1.safetensors"),
			  "{\"a\":{\"dtype\":\"U8\",\"shape\":[7],\"data_offsets\":[0,7]},"
			  "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[7,7]}}",
			  7);
	write_safetensors(in_folder(self->folder, "2.safetensors"),
			  "{\"c\":{\"dtype\":\"U8\",\"shape\":[5],\"data_offsets\":[0,5]}}", 5);
	write_safetensors(in_folder(self->folder, "3.safetensors"),
			  "{\"d\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}", 9);
	write_file(in_folder(self->folder, "model.safetensors.index.json"), index, sizeof(index) - 1);
	self->opts.trace = NULL;
	ASSERT_EQ(0, pinpool_load(self->env.ctx, POOL, self->folder, &self->opts, &self->report, &self->diag))
	{
		TH_LOG("%s: %s", self->diag.object, self->diag.cause);
	}
	EXPECT_EQ(4, events.tensor_count);
	EXPECT_EQ(3, events.last_tensor);
	EXPECT_STREQ("d", events.tensors[3]);
}

/* Reads that had begun before any of them ended. */
static size_t begun_at_first(void)
{
	uint64_t first_end = UINT64_MAX;
	size_t begun = 0;

	for (size_t i = 0; i < events.count; i++)
		if (events.at[i].kind == PINPOOL_TRACE_READ && events.at[i].end_ns < first_end)
			first_end = events.at[i].end_ns;
	for (size_t i = 0; i < events.count; i++)
		begun += events.at[i].kind == PINPOOL_TRACE_READ && events.at[i].begin_ns < first_end;
	return begun;
}

TEST_F(trace, what_brings_the_first_tensor_is_alone_in_flight_at_first)
{
	/* The first tensor has 48 pieces of 64 KiB, and the header pushes its end into another. */
	static const struct {
		uint32_t chunk;
		uint32_t depth;
		size_t begun;
	} cases[] = { { CHUNK, 90, 49 }, { CHUNK, 48, 48 }, { CHUNK, 4, 4 }, { 4 * CHUNK, 90, 16 } };
	int err;

	self->opts.io = PINPOOL_IO_URING;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		events.count = 0;
		self->opts.chunk_bytes = cases[i].chunk;
		self->opts.queue_depth = cases[i].depth;
		err = pinpool_load(self->env.ctx, POOL, events.file, &self->opts, &self->report, &self->diag);
		if (err == -EOPNOTSUPP)
			SKIP(return, "%s: %s", self->diag.object, self->diag.cause);
		ASSERT_EQ(0, err);
		EXPECT_EQ(cases[i].begun, begun_at_first());
		ASSERT_EQ(0, pinpool_pool_destroy(self->env.ctx, POOL, NULL));
	}
}

TEST_HARNESS_MAIN
