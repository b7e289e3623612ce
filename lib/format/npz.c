/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * .npz, a zip archive of arrays as numpy.savez() makes it: members, each with a local header before it; the central
 * directory, which says where they are; with large ones, zip64's end record and its locator; the end record. What must
 * hold:
 *
 *  - the file ends with the end record, without a comment, and the directory ends where the end records begin;
 *  - it is one disk and has as many members as it says;
 *  - every member is stored, not deflated and not encrypted, and is an array of .npy (npy.c has its rules);
 *  - local header and directory agree on name, method and size;
 *  - members, local headers included, lie before the directory and do not overlap; no name appears twice.
 *
 * A tensor is called as its member without .npy. Checksums of members are not looked at: the load makes its own.
 */
#include "base/diag.h"
#include "format/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define END_BYTES	  22u
#define END64_BYTES	  56u
#define LOCATOR_BYTES	  20u
#define CENTRAL_BYTES	  46u
#define LOCAL_BYTES	  30u
#define END_SIGNATURE	  0x06054b50u
#define END64_SIGNATURE	  0x06064b50u
#define LOCATOR_SIGNATURE 0x07064b50u
#define CENTRAL_SIGNATURE 0x02014b50u
#define LOCAL_SIGNATURE	  0x04034b50u
#define EXTRA_ZIP64	  1u
#define FLAG_ENCRYPTED	  1u
/* The local header was written before the size was known and may have zeros for it. */
#define FLAG_STREAMED	  8u
#define METHOD_STORED	  0u
#define SUFFIX		  ".npy"
/* Directory as a whole: as much as a header of safetensors. */
#define DIRECTORY_MAX	  FORMAT_JSON_MAX

struct directory {
	uint64_t offset;
	uint64_t bytes;
	uint64_t members;
};

/* One member, as the directory has it. @name is not ended by NUL and lies in the directory. */
struct member {
	const char *name;
	uint16_t name_bytes;
	uint16_t flags;
	uint16_t method;
	uint64_t stored;
	uint64_t bytes;
	uint64_t local;
};

/* What a member takes in the file, local header included. */
struct place {
	uint64_t begin;
	uint64_t end;
};

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t get64(const uint8_t *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static int bad_archive(const struct source *source, const char *change, const char *cause, struct pinpool_diag *diag)
{
	return diag_set(diag, -EBADMSG, source->path, change, "%s", cause);
}

/* Reads zip64's end record if its locator stands before the end record, which is at *@end; moves *@end there. */
static int read_end64(const struct source *source, struct directory *directory, uint64_t *end, bool needed,
		      struct pinpool_diag *diag)
{
	uint8_t raw[END64_BYTES];
	uint64_t at;
	int err;

	if (*end >= LOCATOR_BYTES) {
		err = source_read(source, raw, LOCATOR_BYTES, *end - LOCATOR_BYTES, diag);
		if (err)
			return err;
	}
	if (*end < LOCATOR_BYTES || get32(raw) != LOCATOR_SIGNATURE)
		return needed ? bad_archive(source, NULL, "its end record asks for one of zip64, which is not there",
					    diag)
			      : 0;
	at = get64(raw + 8);
	if (get32(raw + 4) || get32(raw + 16) != 1)
		return bad_archive(source, NULL, "is a part of an archive of several disks", diag);
	if (*end - LOCATOR_BYTES < END64_BYTES || at != *end - LOCATOR_BYTES - END64_BYTES)
		return bad_archive(source, NULL, "zip64's end record is not right before its locator", diag);
	err = source_read(source, raw, END64_BYTES, at, diag);
	if (err)
		return err;
	if (get32(raw) != END64_SIGNATURE || get64(raw + 4) != END64_BYTES - 12)
		return bad_archive(source, NULL, "zip64's end record is damaged", diag);
	if (get32(raw + 16) || get32(raw + 20) || get64(raw + 24) != get64(raw + 32))
		return bad_archive(source, NULL, "is a part of an archive of several disks", diag);
	*directory = (struct directory){get64(raw + 48), get64(raw + 40), get64(raw + 32)};
	*end = at;
	return 0;
}

static int find_directory(const struct source *source, struct directory *directory, struct pinpool_diag *diag)
{
	uint64_t end = source->size - END_BYTES;
	uint8_t raw[END_BYTES];
	bool large;
	int err;

	if (source->size < END_BYTES)
		return bad_archive(source, "the file is truncated or no .npz file", "is too short for a zip archive",
				   diag);
	err = source_read(source, raw, sizeof(raw), end, diag);
	if (err)
		return err;
	if (get32(raw) != END_SIGNATURE || get16(raw + 20))
		return bad_archive(source, "the file is truncated, no .npz file, or has a comment at its end",
				   "does not end as a zip archive does", diag);
	*directory = (struct directory){get32(raw + 16), get32(raw + 12), get16(raw + 10)};
	large = directory->offset == UINT32_MAX || directory->bytes == UINT32_MAX || directory->members == UINT16_MAX;
	if (!large && (get16(raw + 4) || get16(raw + 6) || get16(raw + 8) != directory->members))
		return bad_archive(source, NULL, "is a part of an archive of several disks", diag);
	err = read_end64(source, directory, &end, large, diag);
	if (err)
		return err;
	if (directory->offset > end || directory->bytes != end - directory->offset)
		return bad_archive(source, "the file is truncated, or something was put before the archive",
				   "its directory does not lie right before its end", diag);
	if (directory->bytes > DIRECTORY_MAX)
		return bad_archive(source, NULL, "its directory is larger than 100 MB", diag);
	if (directory->members > directory->bytes / CENTRAL_BYTES)
		return bad_archive(source, NULL, "its directory is too short for as many members as it says", diag);
	return 0;
}

/* Numbers that do not fit 32 bits are in a field of their own, in this order and only those. False: not all there. */
static bool read_extra(const uint8_t *extra, size_t bytes, uint64_t *const numbers[3])
{
	size_t used = 4, length = 0;

	for (; bytes >= 4; extra += length, bytes -= length) {
		length = 4 + get16(extra + 2);
		if (length > bytes)
			return false;
		if (get16(extra) == EXTRA_ZIP64)
			break;
	}
	for (int i = 0; i < 3; i++) {
		if (!numbers[i] || *numbers[i] != UINT32_MAX)
			continue;
		if (bytes < 4 || used + 8 > length)
			return false;
		*numbers[i] = get64(extra + used);
		used += 8;
	}
	return true;
}

/* A broken rule of one member. */
static int bad_member(const struct source *source, const struct member *member, const char *change, const char *cause,
		      struct pinpool_diag *diag)
{
	char name[FORMAT_QUOTE_MAX];
	size_t bytes = member->name_bytes < sizeof(name) - 1 ? member->name_bytes : sizeof(name) - 1;

	memcpy(name, member->name, bytes);
	name[bytes] = '\0';
	format_bad(source, name, diag, "%s", cause);
	if (change)
		diag_change(diag, "%s", change);
	return -EBADMSG;
}

/* The entry at *@at of the directory; moves *@at behind it. */
static int read_entry(const struct source *source, const uint8_t **at, const uint8_t *end, struct member *member,
		      struct pinpool_diag *diag)
{
	uint64_t *const numbers[] = {&member->bytes, &member->stored, &member->local};
	const uint8_t *raw = *at;
	size_t extra;

	if ((size_t)(end - raw) < CENTRAL_BYTES || get32(raw) != CENTRAL_SIGNATURE)
		return bad_archive(source, NULL, "its directory is damaged", diag);
	*member = (struct member){
		.name = (const char *)raw + CENTRAL_BYTES,
		.name_bytes = get16(raw + 28),
		.flags = get16(raw + 8),
		.method = get16(raw + 10),
		.stored = get32(raw + 20),
		.bytes = get32(raw + 24),
		.local = get32(raw + 42),
	};
	extra = get16(raw + 30);
	if ((size_t)(end - raw) - CENTRAL_BYTES < (size_t)member->name_bytes + extra + get16(raw + 32))
		return bad_archive(source, NULL, "its directory is damaged", diag);
	if (!read_extra(raw + CENTRAL_BYTES + member->name_bytes, extra, numbers))
		return bad_member(source, member, NULL, "zip64's numbers are not there", diag);
	*at = raw + CENTRAL_BYTES + member->name_bytes + extra + get16(raw + 32);
	return 0;
}

static int check_member(const struct source *source, const struct member *member, struct pinpool_diag *diag)
{
	size_t suffix = strlen(SUFFIX);

	if (member->flags & FLAG_ENCRYPTED)
		return bad_member(source, member, "save it without encryption", "is encrypted", diag);
	if (member->method != METHOD_STORED)
		return bad_member(source, member, "save with numpy.savez() instead of numpy.savez_compressed()",
				  "is compressed, so its bytes cannot be used where they lie", diag);
	if (member->stored != member->bytes)
		return bad_member(source, member, NULL, "is stored, but with two sizes", diag);
	if (member->name_bytes <= suffix || memcmp(member->name + member->name_bytes - suffix, SUFFIX, suffix) != 0)
		return bad_member(source, member, "an archive to load holds arrays only", "is no .npy array", diag);
	if (memchr(member->name, '\0', member->name_bytes))
		return bad_member(source, member, NULL, "its name has a NUL", diag);
	return 0;
}

/* Whether a size in a local header is that of the directory, or was not known yet. */
static bool size_agrees(uint64_t local, const struct member *member)
{
	return local == member->bytes || (!local && (member->flags & FLAG_STREAMED));
}

/* Where the member lies, and from *@data on its bytes, by its local header. */
static int read_local(const struct source *source, const struct member *member, uint64_t limit, struct place *place,
		      uint64_t *data, struct pinpool_diag *diag)
{
	uint8_t raw[LOCAL_BYTES];
	uint64_t stored, bytes;
	uint64_t *const numbers[] = {&bytes, &stored, NULL};
	size_t name_bytes, extra;
	uint8_t *rest;
	bool same;
	int err;

	if (member->local > limit || limit - member->local < LOCAL_BYTES)
		return bad_member(source, member, NULL, "its header lies outside of the archive's members", diag);
	err = source_read(source, raw, sizeof(raw), member->local, diag);
	if (err)
		return err;
	if (get32(raw) != LOCAL_SIGNATURE)
		return bad_member(source, member, NULL, "there is no header where the directory says", diag);
	stored = get32(raw + 18);
	bytes = get32(raw + 22);
	name_bytes = get16(raw + 26);
	extra = get16(raw + 28);
	*data = member->local + LOCAL_BYTES + name_bytes + extra;
	if (*data > limit || limit - *data < member->bytes)
		return bad_member(source, member, "the file is truncated: fetch it again",
				  "ends beyond the archive's members", diag);
	rest = malloc(name_bytes + extra + 1);
	if (!rest)
		return diag_errno(diag, -ENOMEM, source->path);
	err = source_read(source, rest, name_bytes + extra, member->local + LOCAL_BYTES, diag);
	same = !err && name_bytes == member->name_bytes && !memcmp(rest, member->name, name_bytes) &&
	       get16(raw + 8) == member->method && ((get16(raw + 6) ^ member->flags) & FLAG_ENCRYPTED) == 0 &&
	       read_extra(rest + name_bytes, extra, numbers) && size_agrees(stored, member) &&
	       size_agrees(bytes, member);
	free(rest);
	if (err)
		return err;
	if (!same)
		return bad_member(source, member, NULL, "its header and the directory disagree", diag);
	*place = (struct place){member->local, *data + member->bytes};
	return 0;
}

/* Adds the array of @member to @file. */
static int add_member(struct format_file *file, const struct member *member, uint64_t data, struct pinpool_diag *diag)
{
	char *name = strndup(member->name, member->name_bytes - strlen(SUFFIX));
	int err;

	if (!name)
		return diag_errno(diag, -ENOMEM, file->source.path);
	err = npy_parse(&file->source, data, data + member->bytes, name, &file->tensors[file->count++], diag);
	free(name);
	return err;
}

static int by_begin(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	return a->begin < b->begin ? -1 : a->begin > b->begin;
}

static int check_places(const struct source *source, struct place *places, size_t count, struct pinpool_diag *diag)
{
	char at[512];

	qsort(places, count, sizeof(*places), by_begin);
	for (size_t i = 1; i < count; i++)
		if (places[i].begin < places[i - 1].end)
			return diag_set(diag, -EBADMSG, source_at(source, places[i].begin, at, sizeof(at)), NULL,
					"two members of the archive overlap");
	return 0;
}

static int read_members(struct format_file *file, const struct directory *directory, const uint8_t *raw,
			struct place *places, struct pinpool_diag *diag)
{
	const uint8_t *end = raw + directory->bytes;
	struct member member;
	uint64_t data;
	int err;

	for (uint64_t i = 0; i < directory->members; i++) {
		err = read_entry(&file->source, &raw, end, &member, diag);
		if (!err)
			err = check_member(&file->source, &member, diag);
		if (!err)
			err = read_local(&file->source, &member, directory->offset, &places[i], &data, diag);
		if (!err)
			err = add_member(file, &member, data, diag);
		if (err)
			return err;
	}
	if (raw != end)
		return bad_archive(&file->source, NULL, "its directory has more than its members", diag);
	return check_places(&file->source, places, directory->members, diag);
}

static int read_directory(struct format_file *file, const struct directory *directory, struct pinpool_diag *diag)
{
	struct place *places = malloc((directory->members + 1) * sizeof(*places));
	uint8_t *raw = malloc(directory->bytes + 1);
	int err = 0;

	file->tensors = calloc(directory->members + 1, sizeof(*file->tensors));
	if (!places || !raw || !file->tensors)
		err = diag_errno(diag, -ENOMEM, file->source.path);
	if (!err)
		err = source_read(&file->source, raw, directory->bytes, directory->offset, diag);
	if (!err)
		err = read_members(file, directory, raw, places, diag);
	free(places);
	free(raw);
	return err;
}

int npz_read_header(struct format_file *file, struct pinpool_diag *diag)
{
	struct directory directory = {0};
	int err;

	file->format = "npz";
	err = find_directory(&file->source, &directory, diag);
	if (!err)
		err = read_directory(file, &directory, diag);
	if (!err) {
		qsort(file->tensors, file->count, sizeof(*file->tensors), format_by_place);
		err = format_check_names(&(const struct checkpoint){file, 1}, diag);
	}
	return err;
}
