// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Who may do what: creating takes write access to the control node, opening goes by the owner and mode of the pool's
 * node, destroying is for the owner and the administrator, and nobody gives a pool to somebody else.
 */
#include <grp.h>
#include <sched.h>
#include <sys/stat.h>

#include "harness.h"
#include "kmod_test.h"

#define ALICE 1001
#define BOB 1002
#define FRIENDS 2001 /* a group of Alice's */

FIXTURE(perm) {
	struct stat control;
};

FIXTURE_SETUP(perm)
{
	ASSERT_EQ(0, stat("/dev/pinpool/control", &self->control));
}

FIXTURE_TEARDOWN(perm)
{
	pool_destroy("p");
	EXPECT_EQ(0, chmod("/dev/pinpool/control", self->control.st_mode & 07777));
}

/* What a user does in a child: returns 0 or the positive errno. */
struct as {
	uid_t uid;
	int (*what)(const struct as *as);
	int flags; /* of open() */
	uid_t owner;
	gid_t group;
};

static int run_as(void *arg)
{
	const struct as *as = arg;
	gid_t groups[] = { FRIENDS };

	if (setgroups(as->uid == ALICE, groups) || setresgid(as->uid, as->uid, as->uid) ||
	    setresuid(as->uid, as->uid, as->uid)) {
		return 250;
	}
	return -as->what(as);
}

#define AS(_uid, _what, ...) in_child(run_as, &(struct as){ .uid = _uid, .what = _what, ##__VA_ARGS__ })

static int create_p(const struct as *as)
{
	struct pinpool_create c;

	create_init(&c, "p", HUGE);
	c.uid = as->owner ?: PINPOOL_ID_CALLER;
	c.gid = as->group ?: PINPOOL_ID_CALLER;
	return create_as(&c);
}

static int open_control(const struct as *as)
{
	int fd = control_open(as->flags);

	return fd < 0 ? fd : 0;
}

static int open_p(const struct as *as)
{
	int fd = pool_open("p", as->flags);

	return fd < 0 ? fd : 0;
}

/* With the least of control files: what counts is who asks. */
static int destroy_p(const struct as *as)
{
	int control = control_open(O_RDONLY);

	return control < 0 ? control : ioctl_destroy(control, "p");
}

static int root_creates(uid_t uid, gid_t gid, uint32_t mode)
{
	struct pinpool_create c;

	create_init(&c, "p", HUGE);
	c.uid = uid;
	c.gid = gid;
	c.mode = mode;
	return create_as(&c);
}

TEST_F(perm, only_root_creates_at_first_and_anybody_counts)
{
	EXPECT_EQ(0, AS(ALICE, open_control, .flags = O_RDONLY));
	EXPECT_EQ(EACCES, AS(ALICE, open_control, .flags = O_RDWR));
	EXPECT_EQ(EACCES, AS(ALICE, create_p));
	EXPECT_EQ(-1, access("/dev/pinpool/p", F_OK));
}

TEST_F(perm, write_access_to_control_is_the_right_to_create)
{
	struct stat st;

	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	ASSERT_EQ(0, AS(ALICE, create_p));
	ASSERT_EQ(0, stat("/dev/pinpool/p", &st));
	EXPECT_EQ(ALICE, st.st_uid);
	EXPECT_EQ(ALICE, st.st_gid);
	EXPECT_EQ(S_IFCHR | 0600, st.st_mode);
	EXPECT_EQ(0, AS(ALICE, open_p, .flags = O_RDWR));
	EXPECT_EQ(EACCES, AS(BOB, open_p, .flags = O_RDONLY));
}

/* A control file opened by root and inherited carries the right to create, and what is created is the child's. */
static int create_with_inherited(const struct as *as)
{
	struct pinpool_create c;

	create_init(&c, "p", HUGE);
	return ioctl_create(as->flags, &c);
}

TEST_F(perm, an_inherited_control_file_creates_for_its_user)
{
	int control = control_open(O_RDWR);
	struct stat st;

	ASSERT_LE(0, control);
	EXPECT_EQ(0, AS(ALICE, create_with_inherited, .flags = control));
	ASSERT_EQ(0, stat("/dev/pinpool/p", &st));
	EXPECT_EQ(ALICE, st.st_uid);
	close(control);
}

TEST_F(perm, nobody_gives_a_pool_away)
{
	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	EXPECT_EQ(EPERM, AS(ALICE, create_p, .owner = BOB));
	EXPECT_EQ(EPERM, AS(ALICE, create_p, .group = BOB));
	EXPECT_EQ(EPERM, AS(ALICE, create_p, .owner = ALICE, .group = BOB));
	EXPECT_EQ(-1, access("/dev/pinpool/p", F_OK));
	EXPECT_EQ(0, AS(ALICE, create_p, .owner = ALICE, .group = ALICE));
}

TEST_F(perm, a_group_of_ones_own_is_fine)
{
	struct stat st;

	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	ASSERT_EQ(0, AS(ALICE, create_p, .group = FRIENDS));
	ASSERT_EQ(0, stat("/dev/pinpool/p", &st));
	EXPECT_EQ(FRIENDS, st.st_gid);
}

TEST_F(perm, root_gives_pools_to_users)
{
	struct pinpool_pool_info info;
	struct stat st;
	int fd;

	ASSERT_EQ(0, root_creates(ALICE, FRIENDS, 0640));
	ASSERT_EQ(0, stat("/dev/pinpool/p", &st));
	EXPECT_EQ(ALICE, st.st_uid);
	EXPECT_EQ(FRIENDS, st.st_gid);
	EXPECT_EQ(S_IFCHR | 0640, st.st_mode);
	fd = pool_open("p", O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pool_info(fd, &info));
	EXPECT_EQ(ALICE, info.out_uid);
	EXPECT_EQ(FRIENDS, info.out_gid);
	EXPECT_EQ(0640, info.out_mode);
	close(fd);
}

TEST_F(perm, open_goes_by_owner_and_mode)
{
	ASSERT_EQ(0, root_creates(ALICE, FRIENDS, 0640));
	EXPECT_EQ(0, AS(ALICE, open_p, .flags = O_RDWR));
	EXPECT_EQ(EACCES, AS(BOB, open_p, .flags = O_RDONLY));
	ASSERT_EQ(0, pool_destroy("p"));

	/* Alice is in the group of Bob's pool: she may read. */
	ASSERT_EQ(0, root_creates(BOB, FRIENDS, 0640));
	EXPECT_EQ(0, AS(BOB, open_p, .flags = O_RDWR));
	EXPECT_EQ(0, AS(ALICE, open_p, .flags = O_RDONLY));
	EXPECT_EQ(EACCES, AS(ALICE, open_p, .flags = O_RDWR));
	EXPECT_EQ(EACCES, AS(ALICE, open_p, .flags = O_WRONLY));
	ASSERT_EQ(0, pool_destroy("p"));

	ASSERT_EQ(0, root_creates(BOB, BOB, 0604));
	EXPECT_EQ(0, AS(ALICE, open_p, .flags = O_RDONLY));
	EXPECT_EQ(EACCES, AS(ALICE, open_p, .flags = O_RDWR));
}

TEST_F(perm, chmod_and_chown_of_the_node_count)
{
	ASSERT_EQ(0, root_creates(0, 0, 0600));
	EXPECT_EQ(EACCES, AS(ALICE, open_p, .flags = O_RDONLY));
	ASSERT_EQ(0, chmod("/dev/pinpool/p", 0644));
	EXPECT_EQ(0, AS(ALICE, open_p, .flags = O_RDONLY));
	ASSERT_EQ(0, chown("/dev/pinpool/p", ALICE, ALICE));
	EXPECT_EQ(0, AS(ALICE, open_p, .flags = O_RDWR));
}

TEST_F(perm, destroy_is_for_the_owner_and_the_administrator)
{
	ASSERT_EQ(0, root_creates(ALICE, FRIENDS, 0666));
	EXPECT_EQ(EPERM, AS(BOB, destroy_p));
	EXPECT_EQ(0, access("/dev/pinpool/p", F_OK));
	EXPECT_EQ(0, AS(ALICE, destroy_p));
	EXPECT_EQ(-1, access("/dev/pinpool/p", F_OK));
	EXPECT_EQ(ENOENT, AS(BOB, destroy_p));

	/* To be able to write to a pool is not to own it. */
	ASSERT_EQ(0, root_creates(0, 0, 0666));
	EXPECT_EQ(EPERM, AS(ALICE, destroy_p));
	ASSERT_EQ(0, pool_destroy("p"));

	ASSERT_EQ(0, root_creates(BOB, BOB, 0600));
	EXPECT_EQ(0, pool_destroy("p"));
}

/* Not a way around EPERM: a user who is root in a namespace of his own. */
static int destroy_as_namespace_root(const struct as *as)
{
	if (unshare(CLONE_NEWUSER))
		return -251;
	return destroy_p(as);
}

TEST_F(perm, root_of_a_user_namespace_is_nobody_here)
{
	ASSERT_EQ(0, root_creates(0, 0, 0600));
	EXPECT_EQ(EPERM, AS(BOB, destroy_as_namespace_root));
	EXPECT_EQ(0, access("/dev/pinpool/p", F_OK));
}

TEST_HARNESS_MAIN
