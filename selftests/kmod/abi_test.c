// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * The general ioctl format: each ioctl over struct sizes, flag bits, reserved fields, bad pointers and the wrong node;
 * every number that is no ioctl; every byte in a name. Before each call the pool is in a state in which a correct
 * call succeeds, so that what is refused is refused for the reason under test.
 */
#include "harness.h"
#include "kmod_test.h"

/* User space sees the layout that the module was compiled with. */
#include "../../kmod/abi_assert.h"

#define MAX_STRUCT 512

FIXTURE(abi) {
	int control;
	int fd;
	/* A page that cannot be read follows the struct that is passed. */
	unsigned char *page;
};

/* A new EMPTY pool "abi", open; no other pool. */
static int fresh_pool(FIXTURE_DATA(abi) * self)
{
	int ret;

	if (self->fd >= 0)
		close(self->fd);
	self->fd = -1;
	ret = ioctl_destroy(self->control, "abi");
	if (ret && ret != -ENOENT)
		return ret;
	ret = ioctl_destroy(self->control, "abi2");
	if (ret && ret != -ENOENT)
		return ret;
	ret = pool_create("abi", HUGE);
	if (ret)
		return ret;
	self->fd = pool_open("abi", O_RDWR);
	return self->fd < 0 ? self->fd : 0;
}

FIXTURE_SETUP(abi)
{
	self->fd = -1;
	self->control = control_open(O_RDWR);
	ASSERT_LE(0, self->control);
	self->page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_NONE));
	ASSERT_EQ(0, fresh_pool(self));
}

FIXTURE_TEARDOWN(abi)
{
	close(self->fd);
	ioctl_destroy(self->control, "abi");
	ioctl_destroy(self->control, "abi2");
	close(self->control);
	munmap(self->page, 2 * PAGE);
}

/* One ioctl and a struct with which it succeeds on a fresh pool (begun, if @loading). */
struct op {
	unsigned long ioc;
	size_t size;
	size_t oldest; /* size of the first published form */
	uint32_t flags; /* those that are known */
	size_t reserved; /* offset of a field that must be zero, 0 for none */
	bool on_control;
	bool loading;
	union {
		struct pinpool_module_info module_info;
		struct pinpool_create create;
		struct pinpool_destroy destroy;
		struct pinpool_pool_info pool_info;
		struct pinpool_begin begin;
		struct pinpool_commit commit;
		struct pinpool_abort abort;
		struct pinpool_resize resize;
		struct pinpool_eviction eviction;
		struct pinpool_export export;
	} arg;
};

/* Calls with the first @size bytes of the struct, its size field saying so, followed by zeros up to @size. */
static int call(FIXTURE_DATA(abi) * self, const struct op *op, uint32_t size, size_t poke, unsigned char value)
{
	unsigned char *p = self->page + PAGE - size;
	int ret = fresh_pool(self);

	if (!ret && op->loading)
		ret = pool_begin(self->fd);
	if (ret)
		return -1000 + ret;
	memset(p, 0, size);
	memcpy(p, &op->arg, size < op->size ? size : op->size);
	if (size >= 4)
		memcpy(p, &size, 4);
	if (poke)
		p[poke] = value;
	ret = result(ioctl(op->on_control ? self->control : self->fd, op->ioc, p));
	if (!ret && op->ioc == PINPOOL_IOC_EXPORT)
		close(((struct pinpool_export *)p)->out_fd);
	return ret;
}

static void sweep(struct __test_metadata *_metadata, FIXTURE_DATA(abi) * self, const struct op *op)
{
	int wrong = op->on_control ? self->fd : self->control;
	const size_t n = op->size;
	uint32_t lie;

	EXPECT_EQ(0, call(self, op, n, 0, 0));
	/* What an older program leaves out counts as zero, down to the first published form. */
	for (size_t size = op->oldest; size < n; size++) {
		EXPECT_EQ(0, call(self, op, size, 0, 0)) TH_LOG("size %zu", size);
	}
	EXPECT_EQ(-EINVAL, call(self, op, op->oldest - 1, 0, 0));
	if (op->oldest > 8) {
		EXPECT_EQ(-EINVAL, call(self, op, 8, 0, 0));
	}
	EXPECT_EQ(-EINVAL, call(self, op, 4, 0, 0));
	EXPECT_EQ(0, call(self, op, n + 1, 0, 0));
	EXPECT_EQ(0, call(self, op, MAX_STRUCT, 0, 0));
	EXPECT_EQ(-E2BIG, call(self, op, n + 1, n, 1));
	EXPECT_EQ(-E2BIG, call(self, op, MAX_STRUCT, MAX_STRUCT - 1, 0x80));

	for (int bit = 0; bit < 32; bit++) {
		EXPECT_EQ(op->flags >> bit & 1 ? 0 : -EOPNOTSUPP, call(self, op, n, 4 + bit / 8, 1 << bit % 8))
			TH_LOG("flag bit %d", bit);
	}
	if (op->reserved)
		for (size_t i = op->reserved; i < op->reserved + 4; i++) {
			EXPECT_EQ(-EINVAL, call(self, op, n, i, 1)) TH_LOG("reserved byte %zu", i);
		}

	/* Memory that is not there: no struct at all, only its size, all but its last byte. */
	EXPECT_EQ(-EFAULT, result(ioctl(op->on_control ? self->control : self->fd, op->ioc, NULL)));
	EXPECT_EQ(0, fresh_pool(self));
	lie = n;
	memcpy(self->page + PAGE - 4, &lie, 4);
	EXPECT_EQ(-EFAULT, result(ioctl(op->on_control ? self->control : self->fd, op->ioc, self->page + PAGE - 4)));
	lie = n + 1;
	memset(self->page + PAGE - n, 0, n);
	memcpy(self->page + PAGE - n, &op->arg, n);
	memcpy(self->page + PAGE - n, &lie, 4);
	EXPECT_EQ(-EFAULT, result(ioctl(op->on_control ? self->control : self->fd, op->ioc, self->page + PAGE - n)));

	memcpy(self->page, &op->arg, n);
	EXPECT_EQ(-ENOTTY, result(ioctl(wrong, op->ioc, self->page)));
}

/*
 * Every ioctl in one line: number, struct, the last field of its first published form, the state it needs, the flags it
 * knows, a reserved field, what a correct call says.
 */
#define SWEEP(_ioc, _type, _member, _last, _on_control, _loading, _flags, _reserved, ...)                              \
	TEST_F(abi, sweep_##_member)                                                                                   \
	{                                                                                                              \
		struct op op = { .ioc = _ioc, .size = sizeof(struct _type), .on_control = _on_control,                 \
				 .oldest = offsetof(struct _type, _last) + sizeof(((struct _type *)0)->_last),         \
				 .loading = _loading, .flags = _flags, .reserved = _reserved,                          \
				 .arg._member = { .size = sizeof(struct _type), ##__VA_ARGS__ } };                     \
		sweep(_metadata, self, &op);                                                                           \
	}

#define ANY .numa_node = PINPOOL_NUMA_ANY, .uid = PINPOOL_ID_CALLER, .gid = PINPOOL_ID_CALLER
#define CREATE_FLAGS (PINPOOL_CREATE_ON_DEMAND | PINPOOL_CREATE_EVICTABLE)

SWEEP(PINPOOL_IOC_MODULE_INFO, pinpool_module_info, module_info, __reserved, true, false, 0, 0)
SWEEP(PINPOOL_IOC_CREATE, pinpool_create, create, __reserved, true, false, CREATE_FLAGS,
      offsetof(struct pinpool_create, __reserved), .name = "abi2", .capacity = HUGE, ANY)
SWEEP(PINPOOL_IOC_DESTROY, pinpool_destroy, destroy, name, true, false, 0, 0, .name = "abi")
SWEEP(PINPOOL_IOC_POOL_INFO, pinpool_pool_info, pool_info, out_mode, false, false, 0, 0)
SWEEP(PINPOOL_IOC_BEGIN, pinpool_begin, begin, flags, false, false, 0, 0)
SWEEP(PINPOOL_IOC_COMMIT, pinpool_commit, commit, __reserved, false, true, 0,
      offsetof(struct pinpool_commit, __reserved), .length = 1)
SWEEP(PINPOOL_IOC_ABORT, pinpool_abort, abort, flags, false, true, 0, 0)
SWEEP(PINPOOL_IOC_RESIZE, pinpool_resize, resize, capacity, false, false, 0, 0, .capacity = 2 * HUGE)
SWEEP(PINPOOL_IOC_EVICTION, pinpool_eviction, eviction, priority, false, false, 0, 0, .evictable = 1)
SWEEP(PINPOOL_IOC_EXPORT, pinpool_export, export, out_fd, false, true, 0, 0, .length = HUGE)

/* A program built against a newer header passes a longer struct; the part this module does not know comes back zero. */
TEST_F(abi, results_fill_the_known_part_only)
{
	struct {
		struct pinpool_pool_info info;
		uint64_t newer;
	} arg = { .info.size = sizeof(arg) };

	ASSERT_EQ(0, ioctl(self->fd, PINPOOL_IOC_POOL_INFO, &arg));
	EXPECT_STREQ("abi", (char *)arg.info.out_name);
	EXPECT_EQ(HUGE, arg.info.out_capacity);
	EXPECT_EQ(0, arg.newer);
}

TEST_F(abi, unknown_numbers_are_enotty)
{
	static const uint8_t known_control[] = { 0x80, 0x81, 0x82 }, known_pool[] = { 0x90, 0x91, 0x92, 0x93,
											      0x94, 0x95, 0x96 };
	struct pinpool_pool_info big = { .size = sizeof(big) };

	for (int nr = 0; nr < 256; nr++) {
		if (!memchr(known_control, nr, sizeof(known_control))) {
			EXPECT_EQ(-ENOTTY, result(ioctl(self->control, _IO(PINPOOL_TYPE, nr), &big)))
				TH_LOG("control 0x%x", nr);
		}
		if (!memchr(known_pool, nr, sizeof(known_pool))) {
			EXPECT_EQ(-ENOTTY, result(ioctl(self->fd, _IO(PINPOOL_TYPE, nr), &big))) TH_LOG("pool 0x%x", nr);
		}
		/* A number with a size or direction in it is another number. */
		EXPECT_EQ(-ENOTTY, result(ioctl(self->control, _IOWR(PINPOOL_TYPE, nr, struct pinpool_create), &big)));
		EXPECT_EQ(-ENOTTY, result(ioctl(self->fd, _IOW(PINPOOL_TYPE, nr, struct pinpool_begin), &big)));
		EXPECT_EQ(-ENOTTY, result(ioctl(self->fd, _IO(PINPOOL_TYPE + 1, nr), &big)));
	}
	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->fd));
}

/* 0 if a pool of these 64 bytes could be made (and is gone again), or what create said; destroy has to agree. */
static int try_name(int control, const char bytes[PINPOOL_NAME_MAX + 1])
{
	struct pinpool_destroy d = { .size = sizeof(d) };
	struct pinpool_create c;
	int made, gone;

	create_init(&c, "", HUGE);
	memcpy(c.name, bytes, sizeof(c.name));
	memcpy(d.name, bytes, sizeof(d.name));
	made = ioctl_create(control, &c);
	gone = result(ioctl(control, PINPOOL_IOC_DESTROY, &d));
	return made == gone ? made : -1000;
}

static int try_string(int control, const char *name)
{
	char bytes[PINPOOL_NAME_MAX + 1] = "";

	memcpy(bytes, name, strlen(name));
	return try_name(control, bytes);
}

static bool is_name_byte(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("._-", c));
}

TEST_F_TIMEOUT(abi, every_byte_in_a_name, 120)
{
	for (int c = 1; c < 256; c++) {
		char first[] = { c, 'x', 0 }, middle[] = { 'x', c, 'x', 0 }, last[] = { 'x', c, 0 };
		int ok = is_name_byte(c) ? 0 : -EINVAL;

		EXPECT_EQ(c == '.' || c == '-' ? -EINVAL : ok, try_string(self->control, first)) TH_LOG("0x%02x first", c);
		EXPECT_EQ(ok, try_string(self->control, middle)) TH_LOG("0x%02x in the middle", c);
		EXPECT_EQ(ok, try_string(self->control, last)) TH_LOG("0x%02x last", c);
	}
}

TEST_F(abi, malformed_names)
{
	static const char *const bad[] = { "", ".", "..", "control", "a/b", "/abs", "../up", " ", "a b", "-n" };
	static const char *const good[] = { "a", "Control", "control2", "a.b", "a..b", "a-", "_", "0", "con", "power",
					    "uevent",
					    /* What the module itself calls things in sysfs must not be in the way. */
					    "reserve", "free", "limit", "used", "pools", "pinpool" };
	char bytes[PINPOOL_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, try_string(self->control, bad[i])) TH_LOG("'%s'", bad[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		EXPECT_EQ(0, try_string(self->control, good[i])) TH_LOG("'%s'", good[i]);
	}

	memset(bytes, 'n', sizeof(bytes));
	EXPECT_EQ(-EINVAL, try_name(self->control, bytes)) TH_LOG("no NUL");
	bytes[PINPOOL_NAME_MAX] = '\0';
	EXPECT_EQ(0, try_name(self->control, bytes)) TH_LOG("longest name");
	memset(bytes, 0, sizeof(bytes));
	strcpy(bytes, "name");
	bytes[PINPOOL_NAME_MAX] = 'x';
	EXPECT_EQ(-EINVAL, try_name(self->control, bytes)) TH_LOG("something after the NUL");
}

TEST_F(abi, destroy_of_an_unknown_name_is_enoent)
{
	EXPECT_EQ(-ENOENT, ioctl_destroy(self->control, "nothing"));
	EXPECT_EQ(PINPOOL_STATE_EMPTY, pool_state(self->fd));
}

TEST_HARNESS_MAIN
