/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Packings, shown: the table of those that there are, and the line about those just made; see pack_list.h. */
#include "pack_list.h"
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* One packing, and what is to be said of all those in its pool. */
struct packing_row {
	struct pinpool_packed packed;
	uint64_t shape[2];
	const char *pool;
	const char *state;
};

static void get_base(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct packing_row *)row)->packed.base);
}

static void get_tensor(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct packing_row *)row)->packed.tensor);
}

static void get_isa(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct packing_row *)row)->packed.isa);
}

static void get_dtype(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_dtype_name(((const struct packing_row *)row)->packed.dtype));
}

static void get_shape(const void *row, struct cell *cell)
{
	cell->kind = CELL_SHAPE;
	cell->extents = ((const struct packing_row *)row)->shape;
	cell->ndim = 2;
}

static void get_size(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct packing_row *)row)->packed.bytes);
}

static void get_state(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct packing_row *)row)->state);
}

static void get_pool(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct packing_row *)row)->pool);
}

static void get_version(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct packing_row *)row)->packed.version);
}

static void get_panel(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct packing_row *)row)->packed.panel_rows);
}

static void get_offset(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct packing_row *)row)->packed.offset);
}

static void get_digest(const void *row, struct cell *cell)
{
	const struct pinpool_packed *packed = &((const struct packing_row *)row)->packed;

	cell_digest(cell, packed->has_digest, packed->digest);
}

const struct column packing_columns[] = {
	{"BASE", "pool that holds the weights", .get = get_base},
	{"TENSOR", "name of the tensor", .get = get_tensor},
	{"ISA", "kernels that it is for", .get = get_isa},
	{"DTYPE", "type of an element", .get = get_dtype},
	{"SHAPE", "rows and columns of the tensor", .get = get_shape},
	{"SIZE", "bytes of the packing", .right = true, .get = get_size},
	{"STATE", "current, stale, orphaned, unready, foreign or other version", .get = get_state},
	{"POOL", "pool that holds the packing", .extra = true, .get = get_pool},
	{"VERSION", "version of the order of values", .right = true, .extra = true, .get = get_version},
	{"PANEL", "rows of a panel", .right = true, .extra = true, .get = get_panel},
	{"OFFSET", "bytes from the start of POOL", .right = true, .extra = true, .get = get_offset},
	{"DIGEST", "XXH3-128 of the tensor", .extra = true, .get = get_digest},
	{0},
};

static const char *state_of(struct cli *cli, const char *pool)
{
	switch (pinpool_packings_check(cli->ctx, pool, NULL)) {
	case 0:
		return "current";
	case -ESTALE:
		return "stale";
	case -ENOENT:
		return "orphaned";
	case -ENODATA:
		return "unready";
	case -EPERM:
		return "foreign";
	case -EOPNOTSUPP:
		return "other version";
	default:
		return NULL;
	}
}

/* What went away since it was listed is not shown. Returns 0 or -ENOMEM. */
static int add_pool(struct cli *cli, struct table *table, const char *name)
{
	struct packing_row row = {.packed.size = sizeof(row.packed), .pool = name, .state = state_of(cli, name)};
	struct pinpool_catalog *catalog = NULL;
	struct pinpool_pool *pool;
	size_t i;
	int err = 0;

	if (pinpool_pool_open(cli->ctx, name, PINPOOL_OPEN_READ, &pool, NULL))
		return 0;
	if (!pinpool_catalog_open(pool, &catalog, NULL))
		for (i = 0; !err && !pinpool_catalog_packing(catalog, i, &row.packed); i++) {
			row.shape[0] = row.packed.n;
			row.shape[1] = row.packed.k;
			err = table_add(table, &row);
		}
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
	return err;
}

int pack_list(struct cli *cli, const struct table_args *args, const char *base)
{
	struct table *table;
	int err, status;
	size_t count, i;
	char **names;

	status = table_new(&table, cli, args, packing_columns, "packings");
	if (status)
		return status;
	err = pinpool_packings_list(cli->ctx, base, &names, &count);
	if (err) {
		status = error_errno(cli, "list of pools", err);
		goto out;
	}
	for (i = 0; i < count && !err; i++)
		err = add_pool(cli, table, names[i]);
	free(names);
	status = err ? error_errno(cli, NULL, err) : table_print(table);
out:
	table_free(table);
	return status;
}

void pack_report_line(const struct pinpool_pack_report *report, uint32_t threads)
{
	double seconds = (double)(report->elapsed_ns ? report->elapsed_ns : 1) * 1e-9;

	printf("%s: %u tensor%s, %llu bytes, packed %llu, in %.3f s, %.2f GB/s, %s", report->name, report->tensors,
	       report->tensors == 1 ? "" : "s", (unsigned long long)report->bytes,
	       (unsigned long long)report->packed_bytes, seconds, (double)report->bytes / seconds * 1e-9,
	       pinpool_isa_name(report->isa));
	printf(", %u thread%s\n", threads, threads == 1 ? "" : "s");
}
