/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * See exposition.h. Each family is written whole before the next, as the format wants it, so all pools are looked at
 * first. Every name has pinpool_ before it and a base unit behind it; what only grows while a pool lives is a counter.
 */
#include "exposition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One number of something, from the struct that it is a field of; PINPOOL_UNKNOWN if it is not known. */
struct family {
	const char *name;
	const char *type; /* "gauge" or "counter" */
	const char *help;
	uint64_t (*get)(const void *of);
	bool nanoseconds; /* written as seconds */
};

struct snapshot {
	struct pinpool_ctx_info host;
	bool host_known;
	struct pinpool_info *pools;
	size_t count;
};

/* ---- of a pool ---- */

#define POOL_FIELD(name, value)                                                                                        \
	static uint64_t name(const void *of)                                                                           \
	{                                                                                                              \
		const struct pinpool_info *info = of;                                                                  \
                                                                                                                       \
		return value;                                                                                          \
	}

POOL_FIELD(pool_capacity, info->capacity)
POOL_FIELD(pool_length, info->length)
POOL_FIELD(pool_page, info->page_size)
POOL_FIELD(pool_huge, info->huge_pages)
POOL_FIELD(pool_openers, info->openers)
POOL_FIELD(pool_mappings, info->mappings)
POOL_FIELD(pool_exports, info->exports)
POOL_FIELD(pool_faults, info->faults)
POOL_FIELD(pool_failed, info->failed_allocs)
POOL_FIELD(pool_zeroed, info->pages_zeroed)
POOL_FIELD(pool_fallback, info->numa_fallback)
POOL_FIELD(pool_written, info->bytes_written)
POOL_FIELD(pool_read, info->bytes_read)
POOL_FIELD(pool_loaded, info->loaded)
POOL_FIELD(pool_load_total, info->load_total)
POOL_FIELD(pool_evictable, info->evictable)
POOL_FIELD(pool_created, info->created_ns)
POOL_FIELD(pool_committed, info->committed_ns ? info->committed_ns : PINPOOL_UNKNOWN)

static const struct family pool_families[] = {
	{"pool_capacity_bytes", "gauge", "Bytes reserved.", .get = pool_capacity},
	{"pool_length_bytes", "gauge", "Bytes published, 0 unless READY.", .get = pool_length},
	{"pool_page_size_bytes", "gauge", "Size of a page.", .get = pool_page},
	{"pool_huge_pages", "gauge", "Huge pages held.", .get = pool_huge},
	{"pool_openers", "gauge", "Open files.", .get = pool_openers},
	{"pool_mappings", "gauge", "Live mappings.", .get = pool_mappings},
	{"pool_exports", "gauge", "Live dma-bufs.", .get = pool_exports},
	{"pool_faults_total", "counter", "Page faults served.", .get = pool_faults},
	{"pool_failed_allocations_total", "counter", "Touches and writes that found no page.", .get = pool_failed},
	{"pool_zeroed_pages_total", "counter", "Pages zeroed because the pool touched them.", .get = pool_zeroed},
	{"pool_numa_fallback_pages_total", "counter", "Pages from another node than the one preferred.",
	 .get = pool_fallback},
	{"pool_written_bytes_total", "counter", "Bytes taken by write(2).", .get = pool_written},
	{"pool_read_bytes_total", "counter", "Bytes that the module read into it from files by itself.",
	 .get = pool_read},
	{"pool_load_done_bytes", "gauge", "LOADING: bytes that the load has brought.", .get = pool_loaded},
	{"pool_load_size_bytes", "gauge", "LOADING: bytes that the load brings; with the module, the capacity.",
	 .get = pool_load_total},
	{"pool_evictable", "gauge", "1 if it may go when another pool needs its room.", .get = pool_evictable},
	{"pool_created_timestamp_seconds", "gauge", "When it was made.", .get = pool_created, .nanoseconds = true},
	{"pool_committed_timestamp_seconds", "gauge", "When it became READY.", .get = pool_committed,
	 .nanoseconds = true},
	{0},
};

/* ---- of the host ---- */

#define HOST_FIELD(name, value)                                                                                        \
	static uint64_t name(const void *of)                                                                           \
	{                                                                                                              \
		const struct pinpool_ctx_info *info = of;                                                              \
                                                                                                                       \
		return value;                                                                                          \
	}

HOST_FIELD(host_pools, info->pools)
HOST_FIELD(host_used, info->used_bytes)
HOST_FIELD(host_free, info->free_bytes)
HOST_FIELD(host_reserve, info->reserve_bytes)
HOST_FIELD(host_limit, info->limit_bytes ? info->limit_bytes : PINPOOL_UNKNOWN)
HOST_FIELD(host_user_limit, info->limit_uid_bytes ? info->limit_uid_bytes : PINPOOL_UNKNOWN)
HOST_FIELD(host_evicted, info->evicted)
HOST_FIELD(host_scrubbed, info->pages_scrubbed)
HOST_FIELD(host_quarantine, info->quarantine_bytes)

static const struct family host_families[] = {
	{"pools", "gauge", "Number of pools.", .get = host_pools},
	{"used_bytes", "gauge", "Bytes that pools hold.", .get = host_used},
	{"free_bytes", "gauge", "Bytes that a new pool could take now.", .get = host_free},
	{"reserve_bytes", "gauge", "Bytes set aside for pools, used or not.", .get = host_reserve},
	{"limit_bytes", "gauge", "Most bytes that pools together may hold; missing if there is no limit.",
	 .get = host_limit},
	{"user_limit_bytes", "gauge", "Most bytes that the pools of one user may hold; missing if there is no limit.",
	 .get = host_user_limit},
	{"evicted_pools_total", "counter", "Pools that gave way to others.", .get = host_evicted},
	{"scrubbed_pages_total", "counter", "Pages zeroed because their pool went.", .get = host_scrubbed},
	{"quarantine_bytes", "gauge", "Bytes of pools that are gone and that somebody still pins.",
	 .get = host_quarantine},
	{0},
};

/* ---- text ---- */

/* The value of a label: backslash, quote and newline are escaped. */
static void print_label(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			putc('\\', to);
		if (*text == '\n')
			fputs("\\n", to);
		else
			putc(*text, to);
	}
	putc('"', to);
}

static void print_head(FILE *to, const char *name, const char *type, const char *help)
{
	fprintf(to, "# HELP pinpool_%s %s\n# TYPE pinpool_%s %s\n", name, help, name, type);
}

static void print_value(FILE *to, const struct family *family, uint64_t value)
{
	if (family->nanoseconds)
		fprintf(to, " %" PRIu64 ".%09" PRIu64 "\n", value / 1000000000, value % 1000000000);
	else
		fprintf(to, " %" PRIu64 "\n", value);
}

static void print_pool_label(FILE *to, const struct pinpool_info *info)
{
	fputs("{pool=", to);
	print_label(to, info->name);
}

/* A family of which nothing is known is left out with its head. */
static void print_pool_family(FILE *to, const struct family *family, const struct snapshot *snapshot)
{
	bool begun = false;
	uint64_t value;
	size_t i;

	for (i = 0; i < snapshot->count; i++) {
		value = family->get(&snapshot->pools[i]);
		if (value == PINPOOL_UNKNOWN)
			continue;
		if (!begun)
			print_head(to, family->name, family->type, family->help);
		begun = true;
		fprintf(to, "pinpool_%s", family->name);
		print_pool_label(to, &snapshot->pools[i]);
		putc('}', to);
		print_value(to, family, value);
	}
}

static void print_states(FILE *to, const struct snapshot *snapshot)
{
	size_t i;
	int state;

	if (!snapshot->count)
		return;
	print_head(to, "pool_state", "gauge", "1 for the state that the pool is in.");
	for (i = 0; i < snapshot->count; i++)
		for (state = 0; pinpool_state_name(state); state++) {
			fputs("pinpool_pool_state", to);
			print_pool_label(to, &snapshot->pools[i]);
			fprintf(to, ",state=\"%s\"} %d\n", pinpool_state_name(state),
				(int)snapshot->pools[i].state == state);
		}
}

static void print_host(FILE *to, const struct pinpool_ctx_info *host)
{
	const struct family *family;
	uint64_t value;

	for (family = host_families; family->name; family++) {
		value = family->get(host);
		if (value == PINPOOL_UNKNOWN)
			continue;
		print_head(to, family->name, family->type, family->help);
		fprintf(to, "pinpool_%s", family->name);
		print_value(to, family, value);
	}
}

/* Node by node, where the backend has a reserve. Returns 0 or -errno. */
static int print_reserve(FILE *to, struct pinpool_ctx *ctx, struct pinpool_diag *diag)
{
	static const char *const names[] = {"node_reserve_bytes", "node_reserve_free_bytes"};
	static const char *const helps[] = {
		"Bytes set aside for pools on a NUMA node, used or not.",
		"Bytes of them that nobody holds.",
	};
	struct pinpool_reserve reserve = {.size = sizeof(reserve)};
	size_t family, i;
	int err;

	for (family = 0; family < 2; family++) {
		for (i = 0; !(err = pinpool_reserve_get(ctx, i, &reserve, diag)); i++) {
			if (!i)
				print_head(to, names[family], "gauge", helps[family]);
			fprintf(to, "pinpool_%s{node=\"%u\"} %" PRIu64 "\n", names[family], reserve.node,
				family ? reserve.free_bytes : reserve.reserve_bytes);
		}
		if (err != -ENOENT)
			return err == -EOPNOTSUPP || err == -EACCES ? 0 : err;
	}
	return 0;
}

static int print_all(FILE *to, struct pinpool_ctx *ctx, const struct snapshot *snapshot, struct pinpool_diag *diag)
{
	const struct family *family;

	print_head(to, "build_info", "gauge", "1, with the version and who owns the pages.");
	fputs("pinpool_build_info{version=", to);
	print_label(to, pinpool_version());
	if (snapshot->host_known)
		fprintf(to, ",backend=\"%s\"", pinpool_backend_name(snapshot->host.backend));
	fputs("} 1\n", to);
	if (snapshot->host_known)
		print_host(to, &snapshot->host);
	print_states(to, snapshot);
	for (family = pool_families; family->name; family++)
		print_pool_family(to, family, snapshot);
	return print_reserve(to, ctx, diag);
}

/* ---- look ---- */

/* One that went away since it was listed is not there. */
static int look_at_pools(struct pinpool_ctx *ctx, struct snapshot *snapshot, struct pinpool_diag *diag)
{
	size_t count, i;
	char **names;
	int err;

	err = pinpool_pool_list(ctx, &names, &count);
	if (err) {
		snprintf(diag->object, sizeof(diag->object), "list of pools");
		return err;
	}
	snapshot->pools = calloc(count + 1, sizeof(*snapshot->pools));
	if (!snapshot->pools)
		err = -ENOMEM;
	for (i = 0; i < count && !err; i++) {
		struct pinpool_info *info = &snapshot->pools[snapshot->count];

		info->size = sizeof(*info);
		err = pinpool_pool_stat(ctx, names[i], info, diag);
		if (!err)
			snapshot->count++;
		if (err == -ENOENT)
			err = 0;
	}
	free(names);
	return err;
}

int exposition_make(struct pinpool_ctx *ctx, char **text, size_t *size, struct pinpool_diag *diag)
{
	struct snapshot snapshot = {.host.size = sizeof(snapshot.host)};
	FILE *to;
	int err;

	*text = NULL;
	err = look_at_pools(ctx, &snapshot, diag);
	if (err)
		goto out;
	/* Who may not ask the module sees the pools. */
	snapshot.host_known = !pinpool_ctx_get_info(ctx, &snapshot.host);
	to = open_memstream(text, size);
	if (!to) {
		err = -ENOMEM;
		goto out;
	}
	err = print_all(to, ctx, &snapshot, diag);
	if (fclose(to) && !err)
		err = -ENOMEM;
	if (err)
		free(*text);
out:
	free(snapshot.pools);
	return err;
}
