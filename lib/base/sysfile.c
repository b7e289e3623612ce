/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The small text files of /proc and /sys; see sysfile.h. */
#include "base/sysfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sysfile_read(const char *path, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int err = 0;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	if (err)
		return err;
	while (len && buf[len - 1] == '\n')
		len--;
	buf[len] = '\0';
	return (int)len;
}

static int parse_u64(const char *text, uint64_t *value, char **end)
{
	if (*text < '0' || *text > '9')
		return -EBADMSG;
	errno = 0;
	*value = strtoull(text, end, 10);
	return errno ? -EBADMSG : 0;
}

int sysfile_read_u64(const char *path, uint64_t *value)
{
	char buf[64];
	char *end;
	int n;

	n = sysfile_read(path, buf, sizeof(buf));
	if (n < 0)
		return n;
	if (parse_u64(buf, value, &end) || *end)
		return -EBADMSG;
	return 0;
}

int sysfile_read_key(const char *path, const char *key, uint64_t *value)
{
	char buf[8192];
	char *at, *end;
	int n;

	n = sysfile_read(path, buf, sizeof(buf));
	if (n < 0)
		return n;
	at = strstr(buf, key);
	if (!at)
		return -ENOENT;
	at += strlen(key);
	at += strspn(at, ": \t");
	return parse_u64(at, value, &end);
}

int sysfile_write_u64(const char *path, uint64_t value)
{
	char text[32];
	int length = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)value);
	int err = 0;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)length) != length)
		err = -errno;
	close(fd);
	return err;
}
