// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unmarshalling for both kinds of node: the rules of "General ioctl format" in the uapi header, in one place.
 */
#include <linux/file.h>
#include <linux/uaccess.h>

#include "pinpool.h"

/* What can be undone until now cannot any more: another thread may use a descriptor before its number is known. */
static void ioctl_publish(const struct pinpool_ucmd *ucmd, int err)
{
	if (!ucmd->new_file)
		return;
	if (err) {
		put_unused_fd(ucmd->new_fd);
		fput(ucmd->new_file);
	} else {
		fd_install(ucmd->new_fd, ucmd->new_file);
	}
}

/**
 * pinpool_ioctl - run one ioctl by a node's table
 * @file: the file it was made on
 * @ops: the table
 * @nr_ops: rows of @ops
 * @number: which ioctl
 * @arg: user pointer to its struct
 *
 * Return: 0 or an errno of the contract.
 */
long pinpool_ioctl(struct file *file, const struct pinpool_ioctl_op *ops, size_t nr_ops, unsigned int number,
		   unsigned long arg)
{
	void __user *ubuffer = (void __user *)arg;
	const struct pinpool_ioctl_op *op = NULL;
	union pinpool_ioctl_buffer buffer;
	struct pinpool_ucmd ucmd = { .file = file, .cmd = &buffer };
	u32 user_size;
	size_t i;
	int err;

	for (i = 0; i < nr_ops; i++)
		if (ops[i].number == number)
			op = &ops[i];
	if (!op)
		return -ENOTTY;

	if (get_user(user_size, (u32 __user *)ubuffer))
		return -EFAULT;
	if (user_size < op->min_size)
		return -EINVAL;
	err = copy_struct_from_user(&buffer, op->size, ubuffer, user_size);
	if (err)
		return err;

	err = op->execute(&ucmd);
	if (!err && op->reply && copy_to_user(ubuffer, &buffer, min_t(size_t, op->size, user_size)))
		err = -EFAULT;
	ioctl_publish(&ucmd, err);
	return err;
}
