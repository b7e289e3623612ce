// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * How a load comes to its settings: which disk it is, what is remembered of it, and which of several settings wins. How
 * long each takes the tests say, so that no clock decides; what the real trials read is looked at, and not how fast.
 */
#include "checkpoints.h"
#include "harness.h"
#include "load/settings.h"
#include "load/tune.h"
#include "pool/ctx.h"
#include "pool_env.h"

#include <errno.h>
#include <pinpool/pinpool.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#define GIB (1ull << 30)
#define MIB (1ull << 20)

/* Times of trials, in the order of settings: the default, the others, then the best of them with more. */
struct trials {
	struct tune_trial log[128];
	unsigned int count;
	uint64_t (*time)(const struct stream_tuning *tuning, unsigned int before);
	int error; /* of trial @error_at */
	unsigned int error_at;
	bool no_iopoll;
};

FIXTURE(tune)
{
	struct pool_env env; /* of those who want one */
	char folder[PATH_MAX];
	char cache[PATH_MAX];
	struct pinpool_ctx ctx;
	struct device device;
	struct trials trials;
	struct tune tune;
	struct stream_tuning tuning;
	enum pinpool_tuning how;
};

static bool is_setting(const struct stream_tuning *tuning, uint32_t chunk, uint32_t depth)
{
	return tuning->chunk_bytes == chunk && tuning->queue_depth == depth;
}

static bool is_default(const struct stream_tuning *tuning)
{
	return is_setting(tuning, stream_default(false).chunk_bytes, stream_default(false).queue_depth);
}

static uint64_t always_equal(const struct stream_tuning *tuning, unsigned int before)
{
	return 1000;
}

static int measure(void *arg, const struct tune_trial *trial, uint64_t *ns)
{
	struct trials *trials = arg;
	unsigned int before = 0;

	for (unsigned int i = 1; i < trials->count; i++)
		before += !memcmp(&trials->log[i].tuning, &trial->tuning, sizeof(trial->tuning));
	trials->log[trials->count] = *trial;
	if (trials->error && trials->count == trials->error_at)
		return trials->error;
	trials->count++;
	if (trials->no_iopoll && trial->tuning.iopoll)
		return -EOPNOTSUPP;
	*ns = trials->time(&trial->tuning, before);
	return 0;
}

FIXTURE_SETUP(tune)
{
	make_folder(self->folder);
	strcpy(self->cache, in_folder(self->folder, "cache"));
	ASSERT_EQ(0, setenv("PINPOOL_CACHE_DIR", self->cache, 1));
	memset(&self->ctx, 0, sizeof(self->ctx));
	memset(&self->trials, 0, sizeof(self->trials));
	self->trials.time = always_equal;
	self->device = (struct device){ .key = "wwid eui.0123" };
	self->tune = (struct tune){
		.ctx = &self->ctx,
		.device = &self->device,
		.bytes = 100 * GIB,
		.processors = 2,
		.probe = true,
		.measure = measure,
		.arg = &self->trials,
	};
	alarm(60);
}

FIXTURE_TEARDOWN_PARENT(tune)
{
	remove_folder(self->folder);
	env_clean(&self->env);
}

static int choose(FIXTURE_DATA(tune) * self)
{
	self->trials.count = 0;
	return tune_choose(&self->tune, &self->tuning, &self->how);
}

/* As if nothing had been found out. */
static void forget(const FIXTURE_DATA(tune) * self)
{
	unlink(in_folder(self->cache, "devices.json"));
}

/* Trials of the default are numbers 0, which is for nobody, 1, and so on. */
TEST_F(tune, each_setting_has_its_turn_in_alternating_order)
{
	const unsigned int settings = 5;

	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_PROBED, self->how);
	EXPECT_TRUE(is_default(&self->tuning));
	ASSERT_EQ(1 + TUNE_ROUNDS * settings, self->trials.count);
	for (unsigned int i = 0; i < self->trials.count; i++) {
		EXPECT_EQ(i, self->trials.log[i].index);
		EXPECT_EQ(self->trials.count, self->trials.log[i].count);
		EXPECT_EQ(64 * MIB, self->trials.log[i].bytes);
	}
	for (unsigned int i = 0; i < settings; i++) {
		const struct tune_trial *first = &self->trials.log[1 + i];

		EXPECT_EQ(0, memcmp(&first->tuning, &self->trials.log[2 * settings - i].tuning, sizeof(first->tuning)));
		EXPECT_EQ(0, memcmp(&first->tuning, &first[2 * settings].tuning, sizeof(first->tuning)));
		for (unsigned int other = 0; other < i; other++)
			EXPECT_NE(0, memcmp(&first->tuning, &self->trials.log[1 + other].tuning, sizeof(first->tuning)));
	}
}

static uint64_t large_is_a_little_faster(const struct stream_tuning *tuning, unsigned int before)
{
	return is_setting(tuning, 4 * MIB, 32) ? 951 : 1000;
}

static uint64_t large_is_faster(const struct stream_tuning *tuning, unsigned int before)
{
	return is_setting(tuning, 4 * MIB, 32) ? 950 : is_setting(tuning, 2 * MIB, 16) ? 960 : 1000;
}

TEST_F(tune, one_that_is_clearly_faster_replaces_the_default)
{
	self->trials.time = large_is_a_little_faster;
	ASSERT_EQ(0, choose(self));
	EXPECT_TRUE(is_default(&self->tuning));
	forget(self);
	self->trials.time = large_is_faster;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_PROBED, self->how);
	EXPECT_TRUE(is_setting(&self->tuning, 4 * MIB, 32));
	EXPECT_FALSE(self->tuning.iopoll || self->tuning.sqpoll);
}

/* Once is luck; and once the default had bad luck. */
static uint64_t small_is_fast_once(const struct stream_tuning *tuning, unsigned int before)
{
	if (is_setting(tuning, 512 << 10, 64))
		return before == 1 ? 10 : 1000;
	return is_default(tuning) && before == 2 ? 90000 : 1000;
}

TEST_F(tune, medians_decide)
{
	self->trials.time = small_is_fast_once;
	ASSERT_EQ(0, choose(self));
	EXPECT_TRUE(is_default(&self->tuning));
}

TEST_F(tune, trials_read_little_of_the_load)
{
	uint64_t shortest = 16 * TUNE_SHARE * (32 * MIB);

	self->tune.bytes = shortest;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_PROBED, self->how);
	EXPECT_EQ(32 * MIB, self->trials.log[0].bytes);
	EXPECT_LE(self->trials.count * self->trials.log[0].bytes, shortest / TUNE_SHARE);
	forget(self);
	self->tune.bytes = shortest - 1;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_DEFAULT, self->how);
	EXPECT_EQ(0, self->trials.count);
	EXPECT_EQ(0, self->tuning.chunk_bytes);
	EXPECT_NE(0, access(in_folder(self->cache, "devices.json"), F_OK));
}

TEST_F(tune, who_wants_no_trials_gets_none)
{
	self->tune.probe = false;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_DEFAULT, self->how);
	EXPECT_EQ(0, self->trials.count);
	/* But what is remembered. */
	self->tuning = (struct stream_tuning){ .chunk_bytes = 2 * MIB, .queue_depth = 9 };
	ASSERT_EQ(0, settings_keep(self->device.key, "memory", &self->tuning));
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	EXPECT_TRUE(is_setting(&self->tuning, 2 * MIB, 9));
}

TEST_F(tune, what_won_is_remembered_of_this_device_and_way)
{
	self->trials.time = large_is_faster;
	ASSERT_EQ(0, choose(self));
	/* Also when the other had won by now. */
	self->trials.time = always_equal;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	EXPECT_EQ(0, self->trials.count);
	EXPECT_TRUE(is_setting(&self->tuning, 4 * MIB, 32));
	self->tune.commands = true;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_PROBED, self->how);
	EXPECT_TRUE(is_setting(&self->tuning, stream_default(true).chunk_bytes, stream_default(true).queue_depth));
	for (unsigned int i = 0; i < self->trials.count; i++)
		EXPECT_LE(2 * MIB, self->trials.log[i].tuning.chunk_bytes);
	self->tune.commands = false;
	strcpy(self->device.key, "another");
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_PROBED, self->how);
	strcpy(self->device.key, "wwid eui.0123");
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	EXPECT_TRUE(is_setting(&self->tuning, 4 * MIB, 32));
}

static uint64_t polling_is_faster(const struct stream_tuning *tuning, unsigned int before)
{
	return (is_setting(tuning, 4 * MIB, 32) ? 900 : 1000) - (tuning->iopoll ? 100 : 0);
}

static bool any(const struct trials *trials, bool iopoll, bool sqpoll)
{
	for (unsigned int i = 0; i < trials->count; i++)
		if (trials->log[i].tuning.iopoll == iopoll && trials->log[i].tuning.sqpoll == sqpoll)
			return true;
	return false;
}

TEST_F(tune, devices_that_can_be_polled_are)
{
	self->trials.time = polling_is_faster;
	ASSERT_EQ(0, choose(self));
	EXPECT_FALSE(any(&self->trials, true, false));
	EXPECT_FALSE(self->tuning.iopoll);
	forget(self);
	self->device.polls = true;
	ASSERT_EQ(0, choose(self));
	EXPECT_TRUE(self->tuning.iopoll);
	EXPECT_FALSE(self->tuning.sqpoll);
	EXPECT_TRUE(is_setting(&self->tuning, 4 * MIB, 32));
	EXPECT_FALSE(any(&self->trials, false, true));
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	EXPECT_TRUE(self->tuning.iopoll);
	/* The driver was loaded without such queues since. */
	self->device.polls = false;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	EXPECT_FALSE(self->tuning.iopoll);
	EXPECT_TRUE(is_setting(&self->tuning, 4 * MIB, 32));
	/* Commands are never. */
	self->device.polls = true;
	self->tune.commands = true;
	ASSERT_EQ(0, choose(self));
	EXPECT_FALSE(any(&self->trials, true, false));
	EXPECT_FALSE(self->tuning.iopoll);
}

TEST_F(tune, a_device_that_refuses_to_be_polled_has_its_say)
{
	self->trials.time = polling_is_faster;
	self->trials.no_iopoll = true;
	self->device.polls = true;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_PROBED, self->how);
	EXPECT_FALSE(self->tuning.iopoll);
	EXPECT_TRUE(is_setting(&self->tuning, 4 * MIB, 32));
	/* It is asked once. */
	EXPECT_EQ(1 + TUNE_ROUNDS * 5 + TUNE_ROUNDS + 1, self->trials.count);
}

static uint64_t kernel_is_faster(const struct stream_tuning *tuning, unsigned int before)
{
	return tuning->sqpoll ? 500 : 1000;
}

TEST_F(tune, a_thread_of_the_kernel_needs_processors_to_spare)
{
	self->trials.time = kernel_is_faster;
	self->tune.processors = TUNE_PROCESSORS - 1;
	ASSERT_EQ(0, choose(self));
	EXPECT_FALSE(any(&self->trials, false, true));
	EXPECT_FALSE(self->tuning.sqpoll);
	forget(self);
	self->tune.processors = TUNE_PROCESSORS;
	ASSERT_EQ(0, choose(self));
	EXPECT_TRUE(self->tuning.sqpoll);
	ASSERT_EQ(0, choose(self));
	EXPECT_TRUE(self->tuning.sqpoll);
	/* Remembered of a time when there were more. */
	self->tune.processors = 2;
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	EXPECT_FALSE(self->tuning.sqpoll);
}

TEST_F(tune, trials_that_fail_leave_the_default_and_no_trace)
{
	for (self->trials.error_at = 0; self->trials.error_at < 16; self->trials.error_at += 5) {
		self->trials.error = -EIO;
		ASSERT_EQ(0, choose(self));
		EXPECT_EQ(PINPOOL_TUNING_DEFAULT, self->how);
		EXPECT_EQ(0, self->tuning.chunk_bytes);
		self->trials.error = -ECANCELED;
		EXPECT_EQ(-ECANCELED, choose(self));
		EXPECT_NE(0, access(in_folder(self->cache, "devices.json"), F_OK));
	}
}

/* What is remembered. */

static int keep(FIXTURE_DATA(tune) * self, const char *device, uint32_t depth)
{
	struct stream_tuning tuning = { .chunk_bytes = 1 * MIB, .queue_depth = depth, .iopoll = true };

	return settings_keep(device, "memory", &tuning);
}

static int find(FIXTURE_DATA(tune) * self, const char *device)
{
	memset(&self->tuning, 0, sizeof(self->tuning));
	return settings_find(device, "memory", &self->tuning);
}

TEST_F(tune, settings_are_found_again)
{
	EXPECT_EQ(-ENOENT, find(self, "a"));
	ASSERT_EQ(0, keep(self, "a", 3));
	ASSERT_EQ(0, keep(self, "b", 4));
	ASSERT_EQ(0, keep(self, "a", 5));
	ASSERT_EQ(0, find(self, "a"));
	EXPECT_TRUE(is_setting(&self->tuning, 1 * MIB, 5));
	EXPECT_TRUE(self->tuning.iopoll);
	EXPECT_FALSE(self->tuning.sqpoll);
	ASSERT_EQ(0, find(self, "b"));
	EXPECT_EQ(4, self->tuning.queue_depth);
	EXPECT_EQ(-ENOENT, settings_find("a", "commands", &self->tuning));
	/* No temporary file stays. */
	EXPECT_EQ(1, env_count_files(self->cache));
}

TEST_F(tune, damaged_settings_are_ignored_and_replaced)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"{\"version\": 2, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 1048576, \"queue_depth\": 3}}}}",
		"{\"version\": 1, \"devices\": []}",
		"{\"version\": 1, \"devices\": {\"a\": 5}}",
		"{\"version\": 1, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 1048575, \"queue_depth\": 3}}}}",
		"{\"version\": 1, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 32768, \"queue_depth\": 3}}}}",
		"{\"version\": 1, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 33554432, \"queue_depth\": 3}}}}",
		"{\"version\": 1, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 4296015872, \"queue_depth\": 3}}}}",
		"{\"version\": 1, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 1048576, \"queue_depth\": 0}}}}",
		"{\"version\": 1, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 1048576, \"queue_depth\": 1025}}}}",
		"{\"version\": 1, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 1048576, \"queue_depth\": \"9\"}}}}",
	};
	static const char good[] =
		"{\"version\": 1, \"devices\": {\"a\": {\"memory\": {\"chunk_bytes\": 1048576, \"queue_depth\": 3}}}}";

	ASSERT_EQ(0, mkdir(self->cache, 0700));
	write_file(in_folder(self->cache, "devices.json"), good, strlen(good));
	ASSERT_EQ(0, find(self, "a"));
	EXPECT_EQ(3, self->tuning.queue_depth);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(in_folder(self->cache, "devices.json"), bad[i], strlen(bad[i]));
		EXPECT_EQ(-ENOENT, find(self, "a"))
		{
			TH_LOG("number %zu", i);
		}
		ASSERT_EQ(0, keep(self, "a", 7));
		ASSERT_EQ(0, find(self, "a"));
		EXPECT_EQ(7, self->tuning.queue_depth);
	}
	/* Larger than it could be. */
	ASSERT_EQ(0, truncate(in_folder(self->cache, "devices.json"), (off_t)GIB));
	EXPECT_EQ(-ENOENT, find(self, "a"));
	/* What it should be is something else. */
	forget(self);
	ASSERT_EQ(0, mkfifo(in_folder(self->cache, "devices.json"), 0600));
	EXPECT_EQ(-ENOENT, find(self, "a"));
}

TEST_F(tune, the_devices_seen_last_are_remembered)
{
	char name[32];

	for (int i = 0; i < 70; i++) {
		snprintf(name, sizeof(name), "disk %d", i);
		ASSERT_EQ(0, keep(self, name, 3));
		ASSERT_EQ(0, keep(self, "first", 4));
	}
	EXPECT_EQ(-ENOENT, find(self, "disk 6"));
	EXPECT_EQ(0, find(self, "disk 7"));
	EXPECT_EQ(0, find(self, "disk 69"));
	EXPECT_EQ(0, find(self, "first"));
}

TEST_F(tune, a_folder_that_is_read_only_is_read)
{
	ASSERT_EQ(0, keep(self, "a", 3));
	ASSERT_EQ(0, chmod(self->cache, 0555));
	if (!geteuid())
		ASSERT_EQ(0, seteuid(ENV_NOBODY));
	EXPECT_EQ(-EACCES, keep(self, "a", 4));
	ASSERT_EQ(0, find(self, "a"));
	EXPECT_EQ(3, self->tuning.queue_depth);
	/* Trials are made in any case, for this load. */
	ASSERT_EQ(0, choose(self));
	EXPECT_EQ(PINPOOL_TUNING_PROBED, self->how);
}

TEST_F(tune, the_user_says_where_settings_are)
{
	char home[PATH_MAX], xdg[PATH_MAX];

	strcpy(home, in_folder(self->folder, "home"));
	strcpy(xdg, in_folder(self->folder, "xdg"));
	ASSERT_EQ(0, setenv("PINPOOL_CACHE_DIR", "", 1));
	ASSERT_EQ(0, setenv("HOME", home, 1));
	ASSERT_EQ(0, setenv("XDG_CACHE_HOME", xdg, 1));
	EXPECT_EQ(-ENOENT, keep(self, "a", 3));
	EXPECT_NE(0, access(xdg, F_OK));
	EXPECT_NE(0, access(home, F_OK));
	ASSERT_EQ(0, unsetenv("PINPOOL_CACHE_DIR"));
	ASSERT_EQ(0, keep(self, "a", 3));
	EXPECT_EQ(0, access(in_folder(xdg, "pinpool/devices.json"), F_OK));
	ASSERT_EQ(0, setenv("XDG_CACHE_HOME", "not/absolute", 1));
	EXPECT_EQ(-ENOENT, find(self, "a"));
	ASSERT_EQ(0, keep(self, "a", 4));
	EXPECT_EQ(0, access(in_folder(home, ".cache/pinpool/devices.json"), F_OK));
	ASSERT_EQ(0, unsetenv("XDG_CACHE_HOME"));
	ASSERT_EQ(0, find(self, "a"));
	EXPECT_EQ(4, self->tuning.queue_depth);
	ASSERT_EQ(0, unsetenv("HOME"));
	EXPECT_EQ(-ENOENT, find(self, "a"));
	EXPECT_EQ(-ENOENT, keep(self, "a", 5));
	/* A folder that cannot be made. */
	write_file(in_folder(self->folder, "file"), "", 0);
	ASSERT_EQ(0, setenv("PINPOOL_CACHE_DIR", in_folder(self->folder, "file/below"), 1));
	EXPECT_EQ(-ENOTDIR, keep(self, "a", 5));
	EXPECT_EQ(-ENOENT, find(self, "a"));
}

/* Disks, in a tree like the kernel's. */

static void put(FIXTURE_DATA(tune) * self, const char *disk, const char *name, const char *text)
{
	char below[256], path[PATH_MAX];

	snprintf(below, sizeof(below), "devices/%s/%s", disk, name);
	strcpy(path, in_folder(self->folder, below));
	for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
		*at = '\0';
		mkdir(path, 0755);
		*at = '/';
	}
	write_file(path, text, strlen(text));
}

static const char *key_of(FIXTURE_DATA(tune) * self, const char *number, const char *disk, unsigned int minor)
{
	char link[256], target[256];

	mkdir(in_folder(self->folder, "dev"), 0755);
	mkdir(in_folder(self->folder, "dev/block"), 0755);
	snprintf(link, sizeof(link), "dev/block/%s", number);
	snprintf(target, sizeof(target), "../../devices/%s", disk);
	if (symlink(target, in_folder(self->folder, link)))
		return "no link";
	return device_find(&self->device, self->folder, makedev(259, minor)) ? "none" : self->device.key;
}

TEST_F(tune, a_disk_is_known_by_what_stays)
{
	put(self, "nvme0n1", "wwid", "eui.0025385\n");
	put(self, "nvme0n1", "size", "1000\n");
	put(self, "nvme0n1", "queue/io_poll", "0\n");
	EXPECT_STREQ("wwid eui.0025385", key_of(self, "259:0", "nvme0n1", 0));
	EXPECT_FALSE(self->device.polls);
	/* The same after a restart that numbered disks in another order; with other queues. */
	put(self, "nvme7n1", "wwid", "eui.0025385\n");
	put(self, "nvme7n1", "queue/io_poll", "1\n");
	EXPECT_STREQ("wwid eui.0025385", key_of(self, "259:5", "nvme7n1", 5));
	EXPECT_TRUE(self->device.polls);
	/* Its partitions are it. */
	put(self, "nvme7n1/nvme7n1p2", "partition", "2\n");
	put(self, "nvme7n1/nvme7n1p2", "size", "10\n");
	EXPECT_STREQ("wwid eui.0025385", key_of(self, "259:7", "nvme7n1/nvme7n1p2", 7));
	EXPECT_TRUE(self->device.polls);
	put(self, "sda", "device/wwid", "  naa.5000  \n");
	EXPECT_STREQ("device/wwid naa.5000", key_of(self, "259:8", "sda", 8));
	put(self, "dm-0", "dm/uuid", "LVM-abc\n");
	EXPECT_STREQ("dm/uuid LVM-abc", key_of(self, "259:9", "dm-0", 9));
	put(self, "vda", "size", "528482304\n");
	put(self, "vda", "device/model", " QEMU  HARDDISK\n");
	put(self, "vda", "serial", "se\x01rial\xff\n");
	put(self, "vda", "device/serial", "\n");
	EXPECT_STREQ("name vda, size 528482304, device/model QEMU  HARDDISK, serial se?rial?",
		     key_of(self, "259:10", "vda", 10));
	put(self, "loop0", "size", "8\n");
	put(self, "loop0", "loop/backing_file", "/tmp/image\n");
	EXPECT_STREQ("name loop0, size 8, loop/backing_file /tmp/image", key_of(self, "259:11", "loop0", 11));
	EXPECT_EQ(-ENODEV, device_find(&self->device, self->folder, makedev(0, 27)));
}

/* Jobs, as a load makes them, of a file of holes. */

struct work {
	struct source source;
	struct stream_file file;
	struct pinpool_load_opts opts;
	struct stream_job job;
	uint8_t *memory;
	int calls;
	uint64_t total;
	uint64_t done;
};

#define MEMORY (80 * MIB)

static int open_work(FIXTURE_DATA(tune) * self, struct work *work, uint64_t bytes)
{
	const char *path = in_folder(self->folder, "holes");

	write_file(path, "", 0);
	*work = (struct work){ .opts = { .size = sizeof(work->opts) } };
	if (truncate(path, (off_t)bytes) || source_open(&work->source, path, NULL))
		return -1;
	work->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (work->memory == MAP_FAILED)
		return -1;
	memset(work->memory, 0xee, MEMORY);
	work->file.source = &work->source;
	work->job = (struct stream_job){
		.ctx = &self->ctx,
		.base = work->memory,
		.pool = -1,
		.capacity = MEMORY,
		.files = &work->file,
		.count = 1,
		.opts = &work->opts,
	};
	return 0;
}

static int count_calls(void *arg, const struct pinpool_progress *progress)
{
	struct work *work = arg;

	work->calls++;
	work->total = progress->total;
	work->done |= progress->done;
	return 0;
}

static int cancel_it(void *arg, const struct pinpool_progress *progress)
{
	return 1;
}

TEST_F(tune, real_trials_read_into_what_the_load_writes_next)
{
	uint64_t bytes = 16 * TUNE_SHARE * (32 * MIB);
	struct work work;
	bool is_known;

	ASSERT_EQ(0, open_work(self, &work, bytes));
	work.opts.progress = count_calls;
	work.opts.progress_arg = &work;
	is_known = !device_find(&self->device, DEVICE_SYSFS, work.source.dev);
	if (sysconf(_SC_NPROCESSORS_ONLN) >= (long)TUNE_PROCESSORS || self->device.polls)
		SKIP(return, "more is tried on this host, for which the load is too short");
	ASSERT_EQ(0, tune_job(&work.job, true, &self->how));
	if (!is_known) {
		EXPECT_EQ(PINPOOL_TUNING_DEFAULT, self->how);
		SKIP(return, "the file system is on no disk that is known");
	}
	if (work.source.direct_fd < 0)
		SKIP(return, "no O_DIRECT here");
	ASSERT_EQ(PINPOOL_TUNING_PROBED, self->how);
	EXPECT_LT(0, work.job.tuning.chunk_bytes);
	EXPECT_LT(0, work.job.tuning.queue_depth);
	EXPECT_TRUE(env_all_bytes(work.memory, 32 * MIB, 0));
	EXPECT_TRUE(env_all_bytes(work.memory + 32 * MIB, MEMORY - 32 * MIB, 0xee));
	/* Each trial tells at its end. */
	EXPECT_LE(16, work.calls);
	EXPECT_EQ(bytes, work.total);
	EXPECT_EQ(0, work.done);
	self->tuning = work.job.tuning;
	/* The next load knows. */
	work.job.tuning = (struct stream_tuning){ 0 };
	ASSERT_EQ(0, tune_job(&work.job, true, &self->how));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	EXPECT_EQ(0, memcmp(&self->tuning, &work.job.tuning, sizeof(self->tuning)));
	forget(self);
	work.opts.progress = cancel_it;
	EXPECT_EQ(-ECANCELED, tune_job(&work.job, true, &self->how));
}

/* Commands to the module, with settings of their own. */
TEST_F(tune, real_trials_go_to_the_module_where_the_load_does)
{
	const char *why = env_open(&self->env, PINPOOL_BACKEND_MODULE);
	struct pinpool_pool *pool;
	struct work work;
	void *memory;

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, open_work(self, &work, 16 * TUNE_SHARE * (32 * MIB)));
	if (device_find(&self->device, DEVICE_SYSFS, work.source.dev))
		SKIP(return, "the file system is on no disk that is known");
	ASSERT_EQ(0, env_create(&self->env, "tune", 34 * MIB / self->env.page));
	ASSERT_EQ(0, pinpool_pool_open(self->env.ctx, "tune", PINPOOL_OPEN_WRITE, &pool, NULL));
	ASSERT_EQ(0, pinpool_pool_begin(pool, NULL));
	ASSERT_EQ(0, pinpool_pool_map_writable(pool, &memory, NULL));
	memset(memory, 0xee, 34 * MIB);
	work.job.base = memory;
	work.job.pool = pinpool_pool_fd(pool);
	work.job.capacity = 34 * MIB;
	ASSERT_EQ(0, tune_job(&work.job, true, &self->how));
	if (work.source.direct_fd < 0)
		SKIP(return, "no O_DIRECT here");
	ASSERT_EQ(PINPOOL_TUNING_PROBED, self->how);
	EXPECT_LE(2 * MIB, work.job.tuning.chunk_bytes);
	EXPECT_FALSE(work.job.tuning.iopoll || work.job.tuning.sqpoll);
	EXPECT_TRUE(env_all_bytes(memory, 32 * MIB, 0));
	EXPECT_TRUE(env_all_bytes((char *)memory + 32 * MIB, 2 * MIB, 0xee));
	EXPECT_EQ(0, settings_find(self->device.key, "commands", &self->tuning));
	EXPECT_EQ(-ENOENT, settings_find(self->device.key, "memory", &self->tuning));
	/* Without them, the memory of the pool is memory. */
	work.opts.io = PINPOOL_IO_URING;
	ASSERT_EQ(0, tune_job(&work.job, true, &self->how));
	if (self->how == PINPOOL_TUNING_PROBED)
		EXPECT_EQ(0, settings_find(self->device.key, "memory", &self->tuning));
	pinpool_pool_close(pool);
}

TEST_F(tune, jobs_that_choose_for_themselves_are_left_alone)
{
	static const struct stream_tuning none;
	struct work work;

	ASSERT_EQ(0, open_work(self, &work, TUNE_LOAD_MIN));
	if (device_find(&self->device, DEVICE_SYSFS, work.source.dev))
		SKIP(return, "the file system is on no disk that is known");
	ASSERT_EQ(0, keep(self, self->device.key, 77));
	ASSERT_EQ(0, tune_job(&work.job, false, &self->how));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	EXPECT_EQ(77, work.job.tuning.queue_depth);
	for (int i = 0; i < 6; i++) {
		work.job.tuning = none;
		work.opts = (struct pinpool_load_opts){
			.size = sizeof(work.opts),
			.chunk_bytes = i == 0 ? 1 << 20 : 0,
			.queue_depth = i == 1 ? 8 : 0,
			.buffered = i == 2,
			.io = i == 3 ? PINPOOL_IO_PREAD : PINPOOL_IO_AUTO,
		};
		/* One byte less, and no file at all. */
		work.file.end = i == 4 ? TUNE_LOAD_MIN - 1 : 0;
		work.job.count = i != 5;
		ASSERT_EQ(0, tune_job(&work.job, true, &self->how));
		EXPECT_EQ(i < 2 ? PINPOOL_TUNING_GIVEN : PINPOOL_TUNING_DEFAULT, self->how);
		EXPECT_EQ(0, memcmp(&none, &work.job.tuning, sizeof(none)));
	}
}

TEST_F(tune, files_on_several_disks_are_read_by_the_default)
{
	struct stream_file files[2];
	struct source other;
	struct work work;

	ASSERT_EQ(0, open_work(self, &work, TUNE_LOAD_MIN));
	if (device_find(&self->device, DEVICE_SYSFS, work.source.dev))
		SKIP(return, "the file system is on no disk that is known");
	ASSERT_EQ(0, keep(self, self->device.key, 77));
	other = work.source;
	files[0] = files[1] = work.file;
	files[1].source = &other;
	work.job.files = files;
	work.job.count = 2;
	ASSERT_EQ(0, tune_job(&work.job, false, &self->how));
	EXPECT_EQ(PINPOOL_TUNING_REMEMBERED, self->how);
	work.job.tuning = (struct stream_tuning){ 0 };
	other.dev++;
	ASSERT_EQ(0, tune_job(&work.job, false, &self->how));
	EXPECT_EQ(PINPOOL_TUNING_DEFAULT, self->how);
	EXPECT_EQ(0, work.job.tuning.queue_depth);
}

TEST_HARNESS_MAIN
