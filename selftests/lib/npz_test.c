// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/* Archives of arrays: made member by member, with and without zip64, and each rule of the format broken on its own. */
#include "checkpoint_case.h"
#include "npy_case.h"

#define ARCHIVE_MAX 65536
#define MEMBERS_MAX 8

/* An archive in the making; a test changes its numbers before they are written. */
struct archive {
	uint8_t bytes[ARCHIVE_MAX];
	size_t size;
	struct member {
		char name[32];
		size_t name_bytes;
		uint16_t flags;
		uint16_t method;
		uint64_t stored;
		uint64_t size;
		uint64_t local;
		bool large; /* numbers of 64 bits in the directory */
	} members[MEMBERS_MAX];
	unsigned int count;
	uint64_t directory;
	uint64_t directory_bytes;
	uint64_t end64; /* offset of that record, 0 for none */
};

static void put(struct archive *archive, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		archive->bytes[archive->size++] = (uint8_t)(value >> 8 * i);
}

static void put_bytes(struct archive *archive, const void *from, size_t bytes)
{
	memcpy(archive->bytes + archive->size, from, bytes);
	archive->size += bytes;
}

/* As numpy does it: room for numbers of 64 bits in each local header. @streamed: sizes were not known when it was written. */
static struct member *add(struct archive *archive, const char *name, const char *header, size_t data, bool streamed)
{
	struct member *member = &archive->members[archive->count++];
	uint8_t npy[4096];

	*member = (struct member){.name_bytes = strlen(name), .flags = streamed ? 8 : 0, .local = archive->size};
	strcpy(member->name, name);
	member->size = member->stored = make_npy(npy, 1, header, data);
	put(archive, 0x04034b50, 4);
	put(archive, 45, 2);
	put(archive, member->flags, 2);
	put(archive, member->method, 2);
	put(archive, 0, 8);
	put(archive, UINT32_MAX, 4);
	put(archive, UINT32_MAX, 4);
	put(archive, member->name_bytes, 2);
	put(archive, 20, 2);
	put_bytes(archive, name, member->name_bytes);
	put(archive, 1, 2);
	put(archive, 16, 2);
	put(archive, streamed ? 0 : member->size, 8);
	put(archive, streamed ? 0 : member->stored, 8);
	put_bytes(archive, npy, member->size);
	if (streamed)
		put(archive, 0, 24);
	return member;
}

#define F32(shape) NPY_HEADER("'<f4'", "False", shape)

static void put_directory(struct archive *archive)
{
	archive->directory = archive->size;
	for (unsigned int i = 0; i < archive->count; i++) {
		const struct member *member = &archive->members[i];

		put(archive, 0x02014b50, 4);
		put(archive, 45, 2);
		put(archive, 45, 2);
		put(archive, member->flags, 2);
		put(archive, member->method, 2);
		put(archive, 0, 8);
		put(archive, member->large ? UINT32_MAX : member->stored, 4);
		put(archive, member->large ? UINT32_MAX : member->size, 4);
		put(archive, member->name_bytes, 2);
		put(archive, member->large ? 6 + 28 : 0, 2);
		put(archive, 0, 2);
		put(archive, 0, 8);
		put(archive, member->large ? UINT32_MAX : member->local, 4);
		put_bytes(archive, member->name, member->name_bytes);
		if (member->large) {
			/* Behind a field of another kind. */
			put(archive, 0x7075, 2);
			put(archive, 2, 2);
			put(archive, 0, 2);
			put(archive, 1, 2);
			put(archive, 24, 2);
			put(archive, member->size, 8);
			put(archive, member->stored, 8);
			put(archive, member->local, 8);
		}
	}
	archive->directory_bytes = archive->size - archive->directory;
}

static void put_end64(struct archive *archive)
{
	archive->end64 = archive->size;
	put(archive, 0x06064b50, 4);
	put(archive, 44, 8);
	put(archive, 45, 2);
	put(archive, 45, 2);
	put(archive, 0, 8);
	put(archive, archive->count, 8);
	put(archive, archive->count, 8);
	put(archive, archive->directory_bytes, 8);
	put(archive, archive->directory, 8);
	put(archive, 0x07064b50, 4);
	put(archive, 0, 4);
	put(archive, archive->end64, 8);
	put(archive, 1, 4);
}

static void put_end(struct archive *archive)
{
	put(archive, 0x06054b50, 4);
	put(archive, 0, 4);
	put(archive, archive->end64 ? UINT16_MAX : archive->count, 2);
	put(archive, archive->end64 ? UINT16_MAX : archive->count, 2);
	put(archive, archive->end64 ? UINT32_MAX : archive->directory_bytes, 4);
	put(archive, archive->end64 ? UINT32_MAX : archive->directory, 4);
	put(archive, 0, 2);
}

static void finish(struct archive *archive, bool large)
{
	put_directory(archive);
	if (large)
		put_end64(archive);
	put_end(archive);
}

/* Two arrays of 24 and 8 bytes. */
static void make_two(struct archive *archive)
{
	memset(archive, 0, sizeof(*archive));
	add(archive, "b.npy", F32("(2, 3)"), 24, false);
	add(archive, "a/a.npy", F32("(2,)"), 8, true);
}

#define EXPECT_ARCHIVE(archive, err, text)                                                                             \
	do {                                                                                                           \
		write_file(in_folder(self->folder, "a.npz"), (archive)->bytes, (archive)->size);                       \
		EXPECT_OPEN("a.npz", err, text);                                                                       \
	} while (0)

static struct archive archive;

TEST_F(checkpoint, arrays_are_found_inside_their_members)
{
	for (int large = 0; large < 2; large++) {
		const struct format_tensor *tensor;

		make_two(&archive);
		archive.members[0].large = archive.members[1].large = large;
		finish(&archive, large);
		EXPECT_ARCHIVE(&archive, 0, "");
		ASSERT_EQ(1, self->got.count);
		EXPECT_STREQ("npz", self->got.files[0].format);
		ASSERT_EQ(2, self->got.files[0].count);
		tensor = self->got.files[0].tensors;
		EXPECT_STREQ("b", tensor[0].name);
		EXPECT_EQ(2, tensor[0].ndim);
		EXPECT_EQ(30 + 5 + 20 + 128, tensor[0].begin);
		EXPECT_EQ(24, tensor[0].end - tensor[0].begin);
		EXPECT_STREQ("a/a", tensor[1].name);
		EXPECT_EQ(archive.members[1].local + 30 + 7 + 20 + 128, tensor[1].begin);
		EXPECT_EQ(8, tensor[1].end - tensor[1].begin);
		checkpoint_close(&self->got);
	}
}

TEST_F(checkpoint, an_archive_without_members_is_correct)
{
	memset(&archive, 0, sizeof(archive));
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, 0, "");
	EXPECT_EQ(0, self->got.files[0].count);
}

TEST_F(checkpoint, members_that_cannot_be_used_in_place_are_refused_by_name)
{
	static const struct {
		uint16_t flags;
		uint16_t method;
		int more;
		const char *name;
		const char *text;
		const char *change;
	} bad[] = {
		{0, 8, 0, "b.npy", "is compressed", "numpy.savez()"},
		{0, 12, 0, "b.npy", "is compressed", "numpy.savez()"},
		{1, 0, 0, "b.npy", "is encrypted", "without encryption"},
		{0, 0, 1, "b.npy", "two sizes", ""},
		{0, 0, 0, "b.txt", "no .npy array", "arrays only"},
		{0, 0, 0, ".npy", "no .npy array", "arrays only"},
		{0, 0, 0, "c.npy", "disagree", ""},
		{0, 0, 0, "b2.npy", "disagree", ""},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct member *member = archive.members;

		make_two(&archive);
		member->flags = bad[i].flags;
		member->method = bad[i].method;
		member->stored += (uint64_t)bad[i].more;
		strcpy(member->name, bad[i].name);
		member->name_bytes = strlen(bad[i].name);
		finish(&archive, false);
		EXPECT_ARCHIVE(&archive, -EBADMSG, bad[i].text);
		EXPECT_TRUE(strstr(self->diag.object, bad[i].name));
		EXPECT_TRUE(strstr(self->diag.change, bad[i].change));
	}
	make_two(&archive);
	archive.members[0].name[0] = '\0';
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "NUL");
	make_two(&archive);
	memset(archive.members[0].name, 0xff, 1);
	archive.bytes[30] = 0xff;
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "not UTF-8");
}

TEST_F(checkpoint, a_member_that_is_a_broken_array_is_refused)
{
	memset(&archive, 0, sizeof(archive));
	add(&archive, "b.npy", F32("(2, 3)"), 24, false);
	add(&archive, "a.npy", NPY_HEADER("'|O'", "False", "(1,)"), 8, false);
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "Python objects");
	memset(&archive, 0, sizeof(archive));
	add(&archive, "b.npy", F32("(2, 3)"), 23, false);
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "ask for 24");
}

TEST_F(checkpoint, local_headers_that_disagree_with_the_directory_are_refused)
{
	static const struct {
		size_t at;
		uint8_t value;
		const char *text;
	} bad[] = {
		{0, 'Q', "no header where"}, {6, 1, "disagree"}, /* encrypted */
		{8, 8, "disagree"}, /* deflated */
		{18, 1, "disagree"}, /* stored, of 32 bits */
		{22, 1, "disagree"}, /* size */
		{26, 4, "disagree"}, /* length of the name */
		{30, 'c', "disagree"}, /* name */
		{28, 19, "disagree"}, /* extra field, cut */
		{35, 2, "disagree"}, /* kind of extra field */
		{37, 8, "disagree"}, /* its length */
		{39, 1, "disagree"}, /* size, of 64 bits */
		{47, 1, "disagree"}, /* stored */
		{29, 0xff, "ends beyond"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_two(&archive);
		finish(&archive, false);
		archive.bytes[bad[i].at] = bad[i].value;
		EXPECT_ARCHIVE(&archive, -EBADMSG, bad[i].text);
		EXPECT_TRUE(strstr(self->diag.object, "b.npy"));
	}
	/* Sizes unknown to the local header are those of the directory only if it says so. */
	make_two(&archive);
	archive.members[1].flags = 0;
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "disagree");
}

TEST_F(checkpoint, places_outside_of_the_archive_and_overlaps_are_refused)
{
	make_two(&archive);
	archive.members[0].local = archive.size;
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "outside");
	make_two(&archive);
	archive.members[0].local = UINT64_MAX - 8;
	archive.members[0].large = true;
	finish(&archive, true);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "outside");
	make_two(&archive);
	archive.members[0].size = archive.members[0].stored = UINT64_MAX - 16;
	archive.members[0].large = true;
	finish(&archive, true);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "ends beyond");
	make_two(&archive);
	archive.members[1].size = archive.members[1].stored += 25;
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "ends beyond");
	/* The same bytes twice. */
	make_two(&archive);
	archive.members[1] = archive.members[0];
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "overlap");
	/* Two members of one name. */
	memset(&archive, 0, sizeof(archive));
	add(&archive, "b.npy", F32("(2,)"), 8, false);
	add(&archive, "b.npy", F32("(2,)"), 8, false);
	finish(&archive, false);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "there twice");
}

TEST_F(checkpoint, a_damaged_directory_is_refused)
{
	/* Of the first entry, which is 51 bytes long. */
	static const size_t at[] = {0, 28, 29, 30, 31, 33, 51};

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		make_two(&archive);
		finish(&archive, false);
		archive.bytes[archive.directory + at[i]] ^= 0x40;
		EXPECT_ARCHIVE(&archive, -EBADMSG, "");
	}
	make_two(&archive);
	put_directory(&archive);
	put(&archive, 0, 1);
	archive.directory_bytes++;
	put_end(&archive);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "more than its members");
	make_two(&archive);
	put_directory(&archive);
	archive.count = 1;
	put_end(&archive);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "more than its members");
	make_two(&archive);
	put_directory(&archive);
	archive.count = 3;
	put_end(&archive);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "too short for as many");
	/* Numbers of 64 bits that are not there. */
	make_two(&archive);
	archive.members[0].large = true;
	finish(&archive, false);
	archive.bytes[archive.directory + 46 + 5 + 8] = 16;
	EXPECT_ARCHIVE(&archive, -EBADMSG, "numbers are not there");
	archive.bytes[archive.directory + 46 + 5 + 6] = 2;
	EXPECT_ARCHIVE(&archive, -EBADMSG, "numbers are not there");
	archive.bytes[archive.directory + 46 + 5 + 2] = 0xff;
	EXPECT_ARCHIVE(&archive, -EBADMSG, "numbers are not there");
	/* One too large to be one. */
	make_two(&archive);
	finish(&archive, false);
	write_file(in_folder(self->folder, "a.npz"), archive.bytes, archive.size);
	ASSERT_EQ(0, truncate(in_folder(self->folder, "a.npz"), 200000000));
	archive.directory = archive.size = 0;
	archive.directory_bytes = 200000000;
	put_end(&archive);
	{
		int fd = open(in_folder(self->folder, "a.npz"), O_WRONLY | O_APPEND | O_CLOEXEC);

		write_all(fd, archive.bytes, archive.size);
		close(fd);
	}
	EXPECT_OPEN("a.npz", -EBADMSG, "larger than 100 MB");
}

TEST_F(checkpoint, a_damaged_end_is_refused)
{
	static const struct {
		size_t at; /* from the end */
		const char *text;
	} bad[] = {
		{22, "does not end as"}, {18, "several disks"}, {16, "several disks"},	   {14, "several disks"},
		{12, "several disks"},	 {10, "right before"},	{6, "right before"},	   {2, "does not end as"},
	};
	static const struct {
		size_t at; /* from the end64 record */
		const char *text;
	} bad64[] = {
		{0, "is damaged"},	  {4, "is damaged"},	 {16, "several disks"},	  {20, "several disks"},
		{24, "several disks"},	  {32, "several disks"}, {40, "right before"},	  {48, "right before"},
		{56, "not there"},	  {60, "several disks"}, {64, "right before its"}, {72, "several disks"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_two(&archive);
		finish(&archive, false);
		archive.bytes[archive.size - bad[i].at] ^= 1;
		EXPECT_ARCHIVE(&archive, -EBADMSG, bad[i].text);
	}
	for (size_t i = 0; i < sizeof(bad64) / sizeof(bad64[0]); i++) {
		make_two(&archive);
		finish(&archive, true);
		archive.bytes[archive.end64 + bad64[i].at] ^= 0x10;
		EXPECT_ARCHIVE(&archive, -EBADMSG, bad64[i].text);
	}
	write_file(in_folder(self->folder, "a.npz"), "PK", 2);
	EXPECT_OPEN("a.npz", -EBADMSG, "too short");
	/* zip64's record is needed and there is no room for it. */
	memset(&archive, 0, sizeof(archive));
	archive.end64 = 1;
	put_end(&archive);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "not there");
	/* Something before the archive. */
	memset(&archive, 0, sizeof(archive));
	put(&archive, 0, 8);
	archive.directory = 4;
	put_end(&archive);
	EXPECT_ARCHIVE(&archive, -EBADMSG, "right before");
	EXPECT_OPEN("absent.npz", -ENOENT, "No such file");
}

TEST_F(checkpoint, an_archive_cut_anywhere_is_refused)
{
	size_t size;

	make_two(&archive);
	finish(&archive, true);
	size = archive.size;
	for (archive.size = 0; archive.size < size; archive.size++)
		EXPECT_ARCHIVE(&archive, -EBADMSG, "a.npz");
	EXPECT_ARCHIVE(&archive, 0, "");
}

/* Whatever the bytes, open() ends, and what it accepts stays within the file. */
TEST_F(checkpoint, damaged_archives_never_lead_outside_the_file)
{
	uint32_t state = 12345;

	for (int round = 0; round < 3000; round++) {
		make_two(&archive);
		archive.members[0].large = round & 1;
		finish(&archive, round & 2);
		for (int i = 0; i <= round % 3; i++) {
			state = state * 1664525 + 1013904223;
			archive.bytes[(state >> 8) % archive.size] = (uint8_t)(state >> 24);
		}
		write_file(in_folder(self->folder, "d.npz"), archive.bytes, archive.size);
		if (checkpoint_open(&self->got, in_folder(self->folder, "d.npz"), &self->diag))
			continue;
		for (size_t i = 0; i < self->got.files[0].count; i++) {
			EXPECT_LE(self->got.files[0].tensors[i].begin, self->got.files[0].tensors[i].end);
			EXPECT_LE(self->got.files[0].tensors[i].end, self->got.files[0].source.size);
		}
		checkpoint_close(&self->got);
	}
}

TEST_HARNESS_MAIN
