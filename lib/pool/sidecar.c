/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The record and the locks of a pool without the module; see sidecar.h. */
#include "pool/sidecar.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC	"PINPOOL\n"
#define VERSION 2

/* A write under way lasts less than a microsecond unless its process is not running: then give it time. */
#define TORN_RETRIES 20
#define RETRY_NS     1000000L
#define LOCK_RETRIES 1000

static void pause_ns(long ns)
{
	struct timespec ts = {.tv_nsec = ns};

	nanosleep(&ts, NULL);
}

static uint64_t checksum(const struct sidecar *record)
{
	return XXH3_64bits(record, offsetof(struct sidecar, checksum));
}

void sidecar_init(struct sidecar *record)
{
	memset(record, 0, sizeof(*record));
	memcpy(record->magic, MAGIC, sizeof(record->magic));
	record->version = VERSION;
	record->bytes = sizeof(*record);
}

static int read_record(int fd, struct sidecar *record)
{
	ssize_t n;

	do {
		n = pread(fd, record, sizeof(*record), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if ((size_t)n < offsetof(struct sidecar, bytes) || memcmp(record->magic, MAGIC, sizeof(record->magic)))
		return -EBADMSG;
	if (record->version != VERSION)
		return record->version ? -EOPNOTSUPP : -EBADMSG;
	if (n != sizeof(*record))
		return -EBADMSG;
	return record->checksum == checksum(record) ? 0 : -EBADMSG;
}

/* A right checksum says that a pinpool wrote it, not that it makes sense. */
static bool makes_sense(const struct sidecar *record, const char *name)
{
	if (record->bytes != sizeof(*record) || strncmp(record->name, name, sizeof(record->name)))
		return false;
	if (record->state > PINPOOL_STATE_READY || record->digest_kind > PINPOOL_DIGEST_XXH3_128_LIST)
		return false;
	if (!record->page_size || !record->capacity || record->capacity % record->page_size ||
	    record->capacity > INT64_MAX)
		return false;
	if (record->mode & ~0666U || record->numa_policy > PINPOOL_NUMA_INTERLEAVE || record->on_demand > 1)
		return false;
	return record->state == PINPOOL_STATE_READY ? record->length && record->length <= record->capacity
						    : !record->length;
}

int sidecar_read(int fd, const char *name, struct sidecar *record)
{
	int err = -EBADMSG;

	for (int i = 0; i < TORN_RETRIES; i++) {
		err = read_record(fd, record);
		if (err != -EBADMSG)
			break;
		pause_ns(RETRY_NS);
	}
	if (err)
		return err;
	return makes_sense(record, name) ? 0 : -EBADMSG;
}

int sidecar_write(int fd, struct sidecar *record)
{
	ssize_t n;

	record->generation++;
	record->checksum = checksum(record);
	do {
		n = pwrite(fd, record, sizeof(*record), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == sizeof(*record) ? 0 : -EIO;
}

int sidecar_read_state(int fd, const char *name, struct sidecar *record)
{
	uint64_t generation;
	int err, locked;

	for (;;) {
		err = sidecar_read(fd, name, record);
		if (err || record->state != PINPOOL_STATE_LOADING)
			return err;
		locked = sidecar_is_locked(fd, LOCK_WRITER);
		if (locked)
			return locked < 0 ? locked : 0;
		/* Nobody holds it now; the load is dead only if it had not ended between the two looks. */
		generation = record->generation;
		err = sidecar_read(fd, name, record);
		if (err)
			return err;
		if (record->generation == generation) {
			record->state = PINPOOL_STATE_EMPTY;
			return 0;
		}
	}
}

static uint64_t progress_checksum(const struct sidecar_progress *progress)
{
	return XXH3_64bits(progress, offsetof(struct sidecar_progress, checksum));
}

void sidecar_read_progress(int fd, const struct sidecar *record, uint64_t *loaded, uint64_t *total)
{
	struct sidecar_progress progress;
	ssize_t n;

	*loaded = *total = PINPOOL_UNKNOWN;
	n = pread(fd, &progress, sizeof(progress), SIDECAR_PROGRESS_AT);
	if (n != sizeof(progress) || progress.generation != record->generation ||
	    progress.checksum != progress_checksum(&progress) || progress.loaded > progress.total)
		return;
	*loaded = progress.loaded;
	*total = progress.total;
}

int sidecar_write_progress(int fd, uint64_t generation, uint64_t loaded, uint64_t total)
{
	struct sidecar_progress progress = {.generation = generation, .loaded = loaded, .total = total};
	ssize_t n;

	progress.checksum = progress_checksum(&progress);
	n = pwrite(fd, &progress, sizeof(progress), SIDECAR_PROGRESS_AT);
	if (n < 0)
		return -errno;
	return n == sizeof(progress) ? 0 : -EIO;
}

static struct flock range(short type, enum sidecar_lock lock)
{
	return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = lock, .l_len = 1};
}

int sidecar_try_lock(int fd, enum sidecar_lock lock)
{
	struct flock fl = range(F_WRLCK, lock);

	if (!fcntl(fd, F_OFD_SETLK, &fl))
		return 0;
	return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
}

int sidecar_lock(int fd, enum sidecar_lock lock)
{
	int err = -EBUSY;

	for (int i = 0; err == -EBUSY && i < LOCK_RETRIES; i++) {
		if (i)
			pause_ns(RETRY_NS);
		err = sidecar_try_lock(fd, lock);
	}
	return err;
}

void sidecar_unlock(int fd, enum sidecar_lock lock)
{
	struct flock fl = range(F_UNLCK, lock);

	fcntl(fd, F_OFD_SETLK, &fl);
}

int sidecar_is_locked(int fd, enum sidecar_lock lock)
{
	/* Asking for a read lock finds writers only: a stranger's read lock does not make a load alive. */
	struct flock fl = range(F_RDLCK, lock);

	if (fcntl(fd, F_OFD_GETLK, &fl))
		return -errno;
	return fl.l_type != F_UNLCK;
}
