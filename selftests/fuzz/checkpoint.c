/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * One format of checkpoints: the input is a file FUZZ_FILE, in a folder with files that an index or a description may
 * name. Whatever the bytes, opening ends, and what it accepts lies within the files and is good enough for a catalog.
 */
#include "../lib/checkpoints.h"
#include "format/format.h"
#include "pool/catalog_rules.h"
#include "pool/catalog_writer.h"


static char folder[PATH_MAX];

static void leave(void)
{
	remove_folder(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_folder(folder);
	atexit(leave);
	write_safetensors(in_folder(folder, "m-1.safetensors"),
			  "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}", 3);
	write_safetensors(in_folder(folder, "m-2.safetensors"),
			  "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
	write_pattern(in_folder(folder, "w.bin"), 1, 4096);
	write_pattern(in_folder(folder, "v.bin"), 2, 64);
	return 0;
}

static void must(bool held, const char *what)
{
	if (held)
		return;
	fprintf(stderr, "accepted: %s\n", what);
	abort();
}

static void check_file(struct catalog_writer *writer, const struct format_file *file, uint32_t index, uint64_t *offset)
{
	struct pinpool_source source = {
		.size = sizeof(source),
		.path = file->source.path,
		.format = file->format,
		.offset = *offset,
		.bytes = file->source.size,
	};
	uint64_t last = 0;

	must(catalog_writer_add_source(writer, &source) == (int)index, "a file that a catalog refuses");
	for (size_t i = 0; i < file->count; i++) {
		const struct format_tensor *from = &file->tensors[i];
		struct pinpool_tensor tensor = {
			.size = sizeof(tensor),
			.name = from->name,
			.dtype = from->dtype,
			.ndim = from->ndim,
			.shape = from->shape,
			.offset = *offset + from->begin,
			.bytes = from->end - from->begin,
			.source = index,
		};

		must(last <= from->begin && from->begin <= from->end && from->end <= file->source.size,
		     "a tensor out of place");
		must(catalog_writer_add_tensor(writer, &tensor) >= 0, "a tensor that a catalog refuses");
		last = from->end;
	}
	*offset += file->source.size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = in_folder(folder, FUZZ_FILE);
	struct pinpool_diag diag = {0};
	struct checkpoint checkpoint;
	struct catalog_writer *writer;
	const char *duplicate;
	uint64_t offset = 0;
	int err;

	write_file(path, data, size);
	err = checkpoint_open(&checkpoint, path, &diag);
	must(err <= 0, "as a positive error");
	if (err) {
		must(*diag.object && *diag.cause, "an error without a word");
		return 0;
	}
	must(checkpoint.count && !catalog_writer_new(&writer), "no files");
	for (size_t i = 0; i < checkpoint.count; i++)
		check_file(writer, &checkpoint.files[i], (uint32_t)i, &offset);
	must(!catalog_writer_seal(writer, &duplicate), "two tensors of one name");
	catalog_writer_free(writer);
	checkpoint_close(&checkpoint);
	return 0;
}
