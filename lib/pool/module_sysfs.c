/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A pool as the module's sysfs shows it; see module_sysfs.h. */
#include "pool/module_sysfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/sysfile.h"
#include "pool/numa.h"

static const char *attribute_path(char *buf, size_t size, const char *name, const char *attribute)
{
	snprintf(buf, size, "/sys/class/pinpool/%s/%s", name, attribute);
	return buf;
}

static int read_text(const char *name, const char *attribute, char *buf, size_t size)
{
	char path[160];
	int n = sysfile_read(attribute_path(path, sizeof(path), name, attribute), buf, size);

	return n < 0 ? n : 0;
}

static int read_numbers(const char *name, struct pinpool_info *info)
{
	const struct {
		const char *attribute;
		uint64_t *value;
	} numbers[] = {
		{"capacity", &info->capacity},	 {"length", &info->length},
		{"page_size", &info->page_size}, {"huge_pages", &info->huge_pages},
		{"mappings", &info->mappings},	 {"openers", &info->openers},
		{"faults", &info->faults},	 {"bytes_written", &info->bytes_written},
		{"created", &info->created_ns},	 {"committed", &info->committed_ns},
	};
	char path[160];
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		err = sysfile_read_u64(attribute_path(path, sizeof(path), name, numbers[i].attribute),
				       numbers[i].value);
	return err;
}

static int read_state(const char *name, enum pinpool_state *state)
{
	char text[32];
	int err = read_text(name, "state", text, sizeof(text));

	if (err)
		return err;
	for (int i = 0; pinpool_state_name((enum pinpool_state)i); i++) {
		*state = (enum pinpool_state)i;
		if (!strcasecmp(text, pinpool_state_name(*state)))
			return 0;
	}
	return -EBADMSG;
}

/* "none", or a kind and 32 hexadecimal digits with a colon between. */
static int read_digest(const char *name, struct pinpool_info *info)
{
	static const char *const kinds[] = {
		[PINPOOL_DIGEST_XXH3_128] = "xxh3-128",
		[PINPOOL_DIGEST_XXH3_128_LIST] = "xxh3-128-list",
	};
	unsigned int byte;
	char text[96];
	char *hex;
	int err;

	err = read_text(name, "digest", text, sizeof(text));
	if (err || !strcmp(text, "none"))
		return err;
	hex = strchr(text, ':');
	if (!hex)
		return -EBADMSG;
	*hex++ = '\0';
	for (size_t i = PINPOOL_DIGEST_NONE + 1; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(text, kinds[i]))
			info->digest_kind = (enum pinpool_digest_kind)i;
	if (info->digest_kind == PINPOOL_DIGEST_NONE)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof(info->digest); i++, hex += 2) {
		if (sscanf(hex, "%2x", &byte) != 1)
			return -EBADMSG;
		info->digest[i] = (uint8_t)byte;
	}
	return 0;
}

/* What older modules do not show: then it stays as it is. Returns 0 or -errno. */
static int read_optional(const char *name, const char *attribute, uint64_t *value)
{
	char path[160];
	int err = sysfile_read_u64(attribute_path(path, sizeof(path), name, attribute), value);

	return err == -ENOENT ? 0 : err;
}

static int read_policy(const char *name, struct pinpool_info *info)
{
	static const char *const policies[] = {
		[PINPOOL_NUMA_BIND] = "bind",
		[PINPOOL_NUMA_PREFER] = "prefer",
		[PINPOOL_NUMA_INTERLEAVE] = "interleave",
	};
	char text[256];
	int err;

	err = read_text(name, "numa_policy", text, sizeof(text));
	if (err)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		if (!strcmp(text, policies[i]))
			info->numa_policy = (enum pinpool_numa_policy)i;
	err = read_text(name, "numa_nodes", text, sizeof(text));
	return err ? err : numa_parse_nodes(text, &info->numa_nodes);
}

static int read_memory(const char *name, struct pinpool_info *info)
{
	uint64_t on_demand = 0, evictable = 0;
	const struct {
		const char *attribute;
		uint64_t *value;
	} numbers[] = {
		{"on_demand", &on_demand},
		{"evictable", &evictable},
		{"numa_fallback", &info->numa_fallback},
		{"pages_zeroed", &info->pages_zeroed},
		{"failed_allocs", &info->failed_allocs},
		{"exports", &info->exports},
		{"bytes_read", &info->bytes_read},
	};
	char text[32];
	int err;

	err = read_policy(name, info);
	for (size_t i = 0; !err && i < sizeof(numbers) / sizeof(numbers[0]); i++)
		err = read_optional(name, numbers[i].attribute, numbers[i].value);
	info->on_demand = on_demand;
	info->evictable = evictable;
	if (!err && !read_text(name, "priority", text, sizeof(text)) && sscanf(text, "%d", &info->priority) != 1)
		err = -EBADMSG;
	return err;
}

void module_fill_loaded(struct pinpool_info *info)
{
	uint64_t brought = info->bytes_read + info->bytes_written;

	info->loaded = info->load_total = PINPOOL_UNKNOWN;
	/* A load through a mapping brings nothing that is counted. */
	if (info->state != PINPOOL_STATE_LOADING || !brought)
		return;
	info->load_total = info->capacity;
	info->loaded = brought < info->capacity ? brought : info->capacity;
}

int module_sysfs_info(const char *name, struct pinpool_info *info)
{
	char path[160], text[32];
	struct stat st;
	int err;

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	info->backend = PINPOOL_BACKEND_MODULE;
	memcpy(info->name, name, strlen(name) + 1);
	err = read_state(name, &info->state);
	if (!err)
		err = read_numbers(name, info);
	if (!err)
		err = read_digest(name, info);
	if (!err)
		err = read_memory(name, info);
	if (!err)
		err = read_text(name, "numa_node", text, sizeof(text));
	if (err)
		return err;
	if (sscanf(text, "%d", &info->numa_node) != 1)
		return -EBADMSG;
	module_fill_loaded(info);
	snprintf(path, sizeof(path), "/dev/pinpool/%s", name);
	if (stat(path, &st))
		return -errno;
	info->uid = st.st_uid;
	info->gid = st.st_gid;
	info->mode = st.st_mode & 0777;
	return 0;
}
