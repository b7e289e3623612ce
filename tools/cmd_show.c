/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* pinpool show: the catalog of a pool, its tensors, the files they came from, or what those say beside. */
#include "commands.h"
#include "error.h"
#include "size.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct show_args {
	struct table_args table;
	bool sources;
	bool metadata;
};

static const struct option_spec options[] = {
	TABLE_OPTIONS(struct show_args, table),
	OPTION(0, "sources", NULL, "the files that the pool was loaded from, instead of the tensors", OPTION_FLAG,
	       struct show_args, sources),
	OPTION(0, "metadata", NULL, "what those files say beside their tensors", OPTION_FLAG, struct show_args,
	       metadata),
	{0},
};

/*
 * A tensor, and the catalog that knows its source; or the packing of one, which comes from another pool. As long as the
 * row is added.
 */
struct tensor_row {
	struct pinpool_tensor tensor;
	const struct pinpool_catalog *catalog; /* NULL for a packing */
	const char *base;
	char slice[192];
};

static void get_name(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct tensor_row *)row)->tensor.name);
}

/* Of a coded tensor, type and shape are those that products see. */
static void get_dtype(const void *row, struct cell *cell)
{
	const struct pinpool_tensor *tensor = &((const struct tensor_row *)row)->tensor;

	cell_text(cell, pinpool_dtype_name(tensor->coded ? tensor->plain_dtype : tensor->dtype));
}

static void get_shape(const void *row, struct cell *cell)
{
	const struct pinpool_tensor *tensor = &((const struct tensor_row *)row)->tensor;

	cell->kind = CELL_SHAPE;
	cell->extents = tensor->coded ? tensor->plain_shape : tensor->shape;
	cell->ndim = tensor->coded ? tensor->plain_ndim : tensor->ndim;
}

static void get_size(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct tensor_row *)row)->tensor.bytes);
}

static void get_offset(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct tensor_row *)row)->tensor.offset);
}

static void get_digest(const void *row, struct cell *cell)
{
	const struct pinpool_tensor *tensor = &((const struct tensor_row *)row)->tensor;

	cell_digest(cell, tensor->has_digest, tensor->digest);
}

static void get_sha256(const void *row, struct cell *cell)
{
	const struct pinpool_tensor *tensor = &((const struct tensor_row *)row)->tensor;

	cell_sha256(cell, tensor->has_sha256, tensor->sha256);
}

static void get_source(const void *row, struct cell *cell)
{
	struct pinpool_source source = {.size = sizeof(source)};
	const struct tensor_row *tensor = row;

	if (!tensor->catalog)
		cell_text(cell, tensor->base);
	else if (!pinpool_catalog_source(tensor->catalog, tensor->tensor.source, &source))
		cell_text(cell, source.path);
}

static void get_slice(const void *row, struct cell *cell)
{
	const struct tensor_row *tensor = row;

	cell_text(cell, tensor->tensor.sliced ? tensor->slice : NULL);
}

static void get_code(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_coded_kind_name(((const struct tensor_row *)row)->tensor.coded));
}

static uint64_t bytes_before(const struct pinpool_tensor *tensor)
{
	return tensor->coded ? tensor->plain_bytes : tensor->bytes;
}

static void get_before(const void *row, struct cell *cell)
{
	cell_bytes(cell, bytes_before(&((const struct tensor_row *)row)->tensor));
}

static void get_error(const void *row, struct cell *cell)
{
	const struct pinpool_tensor *tensor = &((const struct tensor_row *)row)->tensor;

	if (tensor->coded)
		cell_real(cell, tensor->coded_error, 5);
}

static const struct column tensor_columns[] = {
	{"NAME", "name of the tensor", .get = get_name},
	{"DTYPE", "type of an element", .get = get_dtype},
	{"SHAPE", "extents, outermost first", .get = get_shape},
	{"SIZE", "length in bytes", .right = true, .get = get_size},
	{"OFFSET", "bytes from the start of the pool", .right = true, .get = get_offset},
	{"DIGEST", "XXH3-128 of its bytes, before it was packed", .extra = true, .get = get_digest},
	{"SOURCE", "file it came from; the pool, if it is packed", .extra = true, .get = get_source},
	{"SHA256", "SHA-256 of its bytes", .extra = true, .get = get_sha256},
	{"CODE", "how it is coded", .extra = true, .get = get_code},
	{"BEFORE", "length before it was coded", .right = true, .extra = true, .get = get_before},
	{"ERROR", "of the code: ||W - C|| / ||W||", .right = true, .extra = true, .get = get_error},
	{"SLICE", "rows or columns that it is of the tensor in the file", .extra = true, .get = get_slice},
	{0},
};

/* What is shown of a pool with codes where nothing else is asked for. */
#define CODED_COLUMNS "NAME,DTYPE,SHAPE,SIZE,BEFORE,CODE,ERROR,OFFSET"

static void get_source_path(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct pinpool_source *)row)->path);
}

static void get_source_format(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct pinpool_source *)row)->format);
}

static void get_source_size(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_source *)row)->bytes);
}

static void get_source_offset(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_source *)row)->offset);
}

static void get_source_inode(const void *row, struct cell *cell)
{
	cell_count(cell, ((const struct pinpool_source *)row)->inode);
}

static void get_source_mtime(const void *row, struct cell *cell)
{
	cell_time(cell, ((const struct pinpool_source *)row)->mtime_ns);
}

static void get_source_digest(const void *row, struct cell *cell)
{
	const struct pinpool_source *source = row;

	cell_digest(cell, source->has_digest, source->digest);
}

static void get_source_sha256(const void *row, struct cell *cell)
{
	const struct pinpool_source *source = row;

	cell_sha256(cell, source->has_sha256, source->sha256);
}

static void get_source_length(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct pinpool_source *)row)->file_bytes);
}

static const struct column source_columns[] = {
	{"PATH", "path at the time of the load", .get = get_source_path},
	{"FORMAT", "format of the file", .get = get_source_format},
	{"SIZE", "bytes from its first in the pool to its last", .right = true, .get = get_source_size},
	{"OFFSET", "bytes from the start of the pool", .right = true, .get = get_source_offset},
	{"LENGTH", "length of the file in bytes", .right = true, .extra = true, .get = get_source_length},
	{"MODIFIED", "when it was last changed; nanoseconds since 1970 in JSON", .get = get_source_mtime},
	{"INODE", "inode number", .right = true, .extra = true, .get = get_source_inode},
	{"DIGEST", "XXH3-128 of the file", .extra = true, .get = get_source_digest},
	{"SHA256", "SHA-256 of the file", .extra = true, .get = get_source_sha256},
	{0},
};

/* A value, and the catalog that knows its source. */
struct metadata_row {
	struct pinpool_metadata metadata;
	const struct pinpool_catalog *catalog;
};

static void get_key(const void *row, struct cell *cell)
{
	cell_text(cell, ((const struct metadata_row *)row)->metadata.key);
}

static void get_type(const void *row, struct cell *cell)
{
	cell_text(cell, pinpool_value_type_name(((const struct metadata_row *)row)->metadata.element));
}

static void get_count(const void *row, struct cell *cell)
{
	const struct pinpool_metadata *metadata = &((const struct metadata_row *)row)->metadata;

	if (metadata->type == PINPOOL_VALUE_ARRAY)
		cell_count(cell, metadata->count);
}

static void get_value(const void *row, struct cell *cell)
{
	cell->kind = CELL_METADATA;
	cell->metadata = &((const struct metadata_row *)row)->metadata;
}

static void get_value_size(const void *row, struct cell *cell)
{
	cell_bytes(cell, ((const struct metadata_row *)row)->metadata.bytes);
}

static void get_value_source(const void *row, struct cell *cell)
{
	struct pinpool_source source = {.size = sizeof(source)};
	const struct metadata_row *value = row;

	if (!pinpool_catalog_source(value->catalog, value->metadata.source, &source))
		cell_text(cell, source.path);
}

static const struct column metadata_columns[] = {
	{"KEY", "its key", .get = get_key},
	{"TYPE", "type of the value, or of the elements of an array", .get = get_type},
	{"COUNT", "elements of an array", .right = true, .get = get_count},
	{"VALUE", "the value, shortened; whole in JSON", .get = get_value},
	{"SIZE", "bytes of the value", .right = true, .extra = true, .get = get_value_size},
	{"SOURCE", "file it came from", .extra = true, .get = get_value_source},
	{0},
};

/* These return 0 or -ENOMEM. */
static int add_packings(struct table *table, const struct pinpool_catalog *catalog)
{
	struct pinpool_packed packed = {.size = sizeof(packed)};
	size_t i;
	int err = 0;

	for (i = 0; !err && !pinpool_catalog_packing(catalog, i, &packed); i++) {
		const uint64_t shape[] = {packed.n, packed.k};
		struct tensor_row row = {
			.tensor.name = packed.tensor,
			.tensor.dtype = packed.dtype,
			.tensor.ndim = 2,
			.tensor.shape = shape,
			.tensor.bytes = packed.bytes,
			.tensor.offset = packed.offset,
			.tensor.has_digest = packed.has_digest,
			.base = packed.base,
		};

		memcpy(row.tensor.digest, packed.digest, sizeof(row.tensor.digest));
		err = table_add(table, &row);
	}
	return err;
}

/* "rows 2 to 4, 10 to 12 of 16": the last dimension of several is that of columns. */
static void describe_slice(struct tensor_row *row)
{
	const struct pinpool_tensor *tensor = &row->tensor;
	const struct pinpool_slice_range whole = {tensor->slice_begin,
						  tensor->sliced ? tensor->shape[tensor->slice_dim] : 0};
	const struct pinpool_slice_range *ranges = tensor->slice_ranges ? tensor->slice_ranges : &whole;
	uint32_t count = tensor->slice_ranges ? tensor->slice_range_count : 1;
	bool columns = tensor->slice_dim && tensor->slice_dim + 1 == tensor->ndim;
	size_t used;

	if (!tensor->sliced)
		return;
	used = (size_t)snprintf(row->slice, sizeof(row->slice), columns ? "columns" : "rows");
	for (uint32_t i = 0; i < count && used < sizeof(row->slice); i++)
		used += (size_t)snprintf(row->slice + used, sizeof(row->slice) - used, "%s %llu to %llu", i ? "," : "",
					 (unsigned long long)ranges[i].begin,
					 (unsigned long long)(ranges[i].begin + ranges[i].places));
	if (used < sizeof(row->slice))
		snprintf(row->slice + used, sizeof(row->slice) - used, " of %llu",
			 (unsigned long long)tensor->slice_extent);
}

static int add_tensors(struct table *table, const struct pinpool_catalog *catalog)
{
	struct tensor_row row = {.tensor.size = sizeof(row.tensor), .catalog = catalog};
	size_t i;
	int err = 0;

	for (i = 0; !err && !pinpool_catalog_tensor(catalog, i, &row.tensor); i++) {
		describe_slice(&row);
		err = table_add(table, &row);
	}
	return err ? err : add_packings(table, catalog);
}

static int add_sources(struct table *table, const struct pinpool_catalog *catalog)
{
	struct pinpool_source source = {.size = sizeof(source)};
	size_t i;
	int err = 0;

	for (i = 0; !err && !pinpool_catalog_source(catalog, i, &source); i++)
		err = table_add(table, &source);
	return err;
}

static int add_metadata(struct table *table, const struct pinpool_catalog *catalog)
{
	struct metadata_row row = {.metadata.size = sizeof(row.metadata), .catalog = catalog};
	size_t i;
	int err = 0;

	for (i = 0; !err && !pinpool_catalog_metadata(catalog, i, &row.metadata); i++)
		err = table_add(table, &row);
	return err;
}

/* Of the tensors of a pool. */
struct totals {
	size_t tensors;
	size_t coded;
	uint64_t before;
	uint64_t now;
};

static struct totals add_up(const struct pinpool_catalog *catalog)
{
	struct pinpool_tensor tensor = {.size = sizeof(tensor)};
	struct totals totals = {0};

	for (; !pinpool_catalog_tensor(catalog, totals.tensors, &tensor); totals.tensors++) {
		totals.coded += !!tensor.coded;
		totals.before += bytes_before(&tensor);
		totals.now += tensor.bytes;
	}
	return totals;
}

/* The tensors of a pool with codes: with columns about them, and what it comes to. */
static int show_coded(struct cli *cli, const struct show_args *args, const struct pinpool_catalog *catalog,
		      const struct totals *totals, const char *name)
{
	char before[SIZE_TEXT_MAX], now[SIZE_TEXT_MAX];
	struct table_args columns = args->table;
	struct table *table;
	int err, status;

	if (!columns.columns && !columns.all)
		columns.columns = CODED_COLUMNS;
	status = table_new(&table, cli, &columns, tensor_columns, "tensors");
	if (status)
		return status;
	err = add_tensors(table, catalog);
	status = err ? error_errno(cli, name, err) : table_print(table);
	table_free(table);
	if (!status && !columns.json && !columns.noheadings && !args->table.columns)
		printf("%zu of %zu tensors coded, %s -> %s (%.3f)\n", totals->coded, totals->tensors,
		       size_long(totals->before, before), size_long(totals->now, now),
		       (double)totals->now / (double)totals->before);
	return status;
}

static int show(struct cli *cli, const struct show_args *args, const char *name, struct table *table)
{
	struct totals totals;
	struct pinpool_catalog *catalog = NULL;
	struct pinpool_diag diag = {0};
	struct pinpool_pool *pool;
	int err, status;

	status = cli_open_pool(cli, name, PINPOOL_OPEN_READ, &pool);
	if (status)
		return status;
	err = pinpool_catalog_open(pool, &catalog, &diag);
	if (err) {
		status = error_diag(cli, err, &diag);
		goto out;
	}
	totals = add_up(catalog);
	if (totals.coded && !args->sources && !args->metadata) {
		status = show_coded(cli, args, catalog, &totals, name);
		goto out;
	}
	if (args->sources)
		err = add_sources(table, catalog);
	else if (args->metadata)
		err = add_metadata(table, catalog);
	else
		err = add_tensors(table, catalog);
	status = err ? error_errno(cli, name, err) : table_print(table);
out:
	pinpool_catalog_close(catalog);
	pinpool_pool_close(pool);
	return status;
}

static int run(struct cli *cli, const void *data, char **operands, int count)
{
	const struct column *columns = tensor_columns;
	const struct show_args *args = data;
	const char *key = "tensors";
	struct table *table;
	int status;

	if (args->sources && args->metadata)
		return error_usage(cli, "--metadata", "leave one of them out", "not together with --sources");
	if (args->sources)
		columns = source_columns, key = "sources";
	if (args->metadata)
		columns = metadata_columns, key = "metadata";
	status = table_new(&table, cli, &args->table, columns, key);
	if (status)
		return status;
	status = show(cli, args, operands[0], table);
	table_free(table);
	return status;
}

const struct command command_show = {
	.name = "show",
	.operands = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "list what a pool holds",
	.example = "  pinpool show lite -o NAME,DTYPE,SHAPE",
	.options = options,
	.columns = tensor_columns,
	.second_option = "--sources",
	.second_columns = source_columns,
	.third_option = "--metadata",
	.third_columns = metadata_columns,
	.args_size = sizeof(struct show_args),
	.run = run,
};
