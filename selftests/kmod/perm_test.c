// SPDX-License-Identifier: MIT OR LGPL-2.1-or-later
/*
 * Who may do what: creating takes write access to the control node, opening goes by the owner and mode of the pool's
 * node, destroying is for the owner and the administrator, and nobody gives a pool to somebody else. Root of a user
 * namespace is who he is outside of it.
 */
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

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
	EXPECT_EQ(0, chown("/dev/pinpool/control", self->control.st_uid, self->control.st_gid));
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
	EXPECT_EQ(0U, self->control.st_uid);
	EXPECT_EQ(0U, self->control.st_gid);
	EXPECT_EQ((mode_t)(S_IFCHR | 0664), self->control.st_mode);
	EXPECT_EQ(0, AS(ALICE, open_control, .flags = O_RDONLY));
	EXPECT_EQ(EACCES, AS(ALICE, open_control, .flags = O_RDWR));
	EXPECT_EQ(EACCES, AS(ALICE, create_p));
	EXPECT_EQ(-1, access("/dev/pinpool/p", F_OK));
}

TEST_F(perm, chgrp_of_control_lets_a_group_create)
{
	ASSERT_EQ(0, chown("/dev/pinpool/control", -1, FRIENDS));
	EXPECT_EQ(EACCES, AS(BOB, create_p));
	EXPECT_EQ(0, AS(ALICE, create_p));
	EXPECT_EQ(0, AS(ALICE, destroy_p));
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

/* The node's owner changes who else may use it, as with any file; the kernel keeps everybody else from that. */
static int share_p_with_friends(const struct as *as)
{
	return chmod("/dev/pinpool/p", 0640) || chown("/dev/pinpool/p", -1, FRIENDS) ? -errno : 0;
}

static int info_is(int fd, uid_t uid, gid_t gid, mode_t mode)
{
	struct pinpool_pool_info info;

	return !pool_info(fd, &info) && info.out_uid == uid && info.out_gid == gid && info.out_mode == mode;
}

TEST_F(perm, an_owner_shares_her_pool_and_everybody_is_told)
{
	int before;

	ASSERT_EQ(0, root_creates(ALICE, ALICE, 0600));
	before = pool_open("p", O_RDONLY);
	ASSERT_LE(0, before);
	EXPECT_TRUE(info_is(before, ALICE, ALICE, 0600));
	EXPECT_EQ(EPERM, AS(BOB, share_p_with_friends));
	EXPECT_TRUE(info_is(before, ALICE, ALICE, 0600));
	EXPECT_EQ(0, AS(ALICE, share_p_with_friends));
	EXPECT_TRUE(info_is(before, ALICE, FRIENDS, 0640));
	ASSERT_EQ(0, chown("/dev/pinpool/p", BOB, BOB));
	EXPECT_TRUE(info_is(before, BOB, BOB, 0640));
	EXPECT_EQ(0, AS(BOB, open_p, .flags = O_RDWR));
	EXPECT_EQ(EACCES, AS(ALICE, open_p, .flags = O_RDONLY));
	close(before);
}

/* The node is what one opens; the pool is whose it was made. */
TEST_F(perm, chown_of_the_node_does_not_give_the_pool_away)
{
	ASSERT_EQ(0, root_creates(ALICE, ALICE, 0600));
	ASSERT_EQ(0, chown("/dev/pinpool/p", BOB, BOB));
	EXPECT_EQ(EPERM, AS(BOB, destroy_p));
	EXPECT_EQ(0, AS(ALICE, destroy_p));
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

/*
 * Bob as root of a user namespace with all its capabilities, and Alice is user 1 there: what the kernel's own rules let
 * such a root do to files of both, he may do. The maps are written by real root, so that the test is of the module.
 */
struct inside {
	int (*what)(const struct inside *inside);
	uid_t uid;
	gid_t gid;
	int unshared, mapped; /* ends of pipes */
};

static int as_root_inside(struct inside *inside)
{
	char byte;

	if (setgroups(0, NULL) || setresgid(BOB, BOB, BOB) || setresuid(BOB, BOB, BOB) ||
	    unshare(CLONE_NEWUSER | CLONE_NEWNS) || write(inside->unshared, "", 1) != 1 ||
	    read(inside->mapped, &byte, 1) != 1 || setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return 250;
	return -inside->what(inside);
}

static int map_ids(pid_t pid)
{
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	ret = file_write(path, "0 1002 1\n1 1001 1\n");
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	return ret ?: file_write(path, "0 1002 1\n1 1001 1\n");
}

/* What @inside says there: 0 or a positive errno. */
static int run_inside(struct inside *inside)
{
	int unshared[2], mapped[2], status, ret;
	pid_t pid;
	char byte;

	if (pipe(unshared) || pipe(mapped))
		return 251;
	inside->unshared = unshared[1];
	inside->mapped = mapped[0];
	pid = fork();
	if (pid == 0)
		_exit(as_root_inside(inside));
	close(unshared[1]);
	ret = read(unshared[0], &byte, 1) == 1 ? map_ids(pid) : -EIO;
	if (!ret && write(mapped[1], "", 1) != 1)
		ret = -EIO;
	close(unshared[0]);
	close(mapped[0]);
	close(mapped[1]);
	if (waitpid(pid, &status, 0) != pid || ret)
		return 252;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 253;
}

#define INSIDE(_what, ...) run_inside(&(struct inside){ .what = _what, ##__VA_ARGS__ })

static int inside_create(const struct inside *inside)
{
	struct pinpool_create c;

	create_init(&c, "p", HUGE);
	c.uid = inside->uid;
	c.gid = inside->gid;
	return create_as(&c);
}

static int inside_open(const struct inside *inside)
{
	int fd = pool_open("p", O_RDONLY);

	return fd < 0 ? fd : 0;
}

static int inside_destroy(const struct inside *inside)
{
	int control = control_open(O_RDONLY);

	return control < 0 ? control : ioctl_destroy(control, "p");
}

static int inside_evict(const struct inside *inside)
{
	int fd = pool_open("p", O_RDONLY);

	return fd < 0 ? fd : pool_set_eviction(fd, true, 0);
}

static int inside_chmod(const struct inside *inside)
{
	return result(chmod("/dev/pinpool/p", 0666));
}

static int inside_chown(const struct inside *inside)
{
	return result(chown("/dev/pinpool/p", 0, 0));
}

/* A node of his own for the device, where he may make files. */
static int inside_mknod(const struct inside *inside)
{
	struct stat st;

	if (stat("/dev/pinpool/p", &st) || mount("none", "/tmp", "tmpfs", 0, NULL))
		return -249;
	return result(mknod("/tmp/p", S_IFCHR | 0666, st.st_rdev));
}

/* What he is told of a pool of root's that he may read, and of his own. */
static int inside_info(const struct inside *inside)
{
	struct pinpool_pool_info info;
	int fd = pool_open("p", O_RDONLY);

	if (fd < 0 || pool_info(fd, &info))
		return -249;
	return info.out_uid == inside->uid && info.out_gid == inside->gid ? 0 : -ERANGE;
}

TEST_F(perm, namespace_root_does_not_create)
{
	EXPECT_EQ(EACCES, INSIDE(inside_create, .uid = PINPOOL_ID_CALLER, .gid = PINPOOL_ID_CALLER));
	EXPECT_EQ(-1, access("/dev/pinpool/p", F_OK));
}

TEST_F(perm, namespace_root_who_may_create_creates_for_himself_only)
{
	struct stat st;

	ASSERT_EQ(0, chmod("/dev/pinpool/control", 0666));
	/* Not for Alice, though he has CAP_CHOWN there and she has an id; nor for one who has none. */
	EXPECT_EQ(EPERM, INSIDE(inside_create, .uid = 1, .gid = PINPOOL_ID_CALLER));
	EXPECT_EQ(EPERM, INSIDE(inside_create, .uid = PINPOOL_ID_CALLER, .gid = 1));
	EXPECT_EQ(EINVAL, INSIDE(inside_create, .uid = BOB, .gid = PINPOOL_ID_CALLER));
	EXPECT_EQ(EINVAL, INSIDE(inside_create, .uid = PINPOOL_ID_CALLER, .gid = BOB));
	EXPECT_EQ(-1, access("/dev/pinpool/p", F_OK));
	EXPECT_EQ(0, INSIDE(inside_create, .uid = 0, .gid = 0));
	ASSERT_EQ(0, stat("/dev/pinpool/p", &st));
	EXPECT_EQ(BOB, st.st_uid);
	EXPECT_EQ(BOB, st.st_gid);
	EXPECT_EQ(0, INSIDE(inside_info, .uid = 0, .gid = 0));
	EXPECT_EQ(0, INSIDE(inside_destroy));
}

TEST_F(perm, namespace_root_has_no_way_to_others_pools)
{
	ASSERT_EQ(0, root_creates(0, 0, 0600));
	EXPECT_EQ(EACCES, INSIDE(inside_open));
	EXPECT_EQ(EPERM, INSIDE(inside_destroy));
	EXPECT_EQ(EPERM, INSIDE(inside_chmod));
	EXPECT_EQ(EPERM, INSIDE(inside_chown));
	EXPECT_EQ(EPERM, INSIDE(inside_mknod));
	EXPECT_EQ(0, access("/dev/pinpool/p", F_OK));
	ASSERT_EQ(0, pool_destroy("p"));

	/* One that everybody may read: reading is all. */
	ASSERT_EQ(0, root_creates(0, 0, 0644));
	EXPECT_EQ(0, INSIDE(inside_open));
	EXPECT_EQ(EPERM, INSIDE(inside_evict));
	EXPECT_EQ(EPERM, INSIDE(inside_destroy));
	EXPECT_EQ(0, INSIDE(inside_info, .uid = 65534, .gid = 65534));
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
