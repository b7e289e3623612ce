/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* Heads of a model; see heads.h. */
#include "load/heads.h"
#include "base/diag.h"
#include "format/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than any config.json has. */
#define CONFIG_MAX (16u << 20)

/* How types of model fuse queries, keys and values; those that are not here may do it in any way. */
static const struct {
	const char *model;
	enum heads_layout layout;
} layouts[] = {
	{"phi3", HEADS_APART},	      {"phi3_v", HEADS_APART},
	{"phi4mm", HEADS_APART},      {"phi4_multimodal", HEADS_APART},
	{"gpt_neox", HEADS_TOGETHER}, {"bloom", HEADS_TOGETHER},
	{"falcon", HEADS_TOGETHER},
};

/* A key of GGUF that begins with the name of the architecture; 0 if it is not there, or no number of one layer. */
static uint64_t gguf_number(const struct format_file *file, const char *architecture, size_t length, const char *key)
{
	int64_t number;

	for (size_t i = 0; i < file->metadata_count; i++) {
		const struct pinpool_metadata *value = &file->metadata[i];

		if (strncmp(value->key, architecture, length) || value->key[length] != '.' ||
		    strcmp(value->key + length + 1, key))
			continue;
		return pinpool_metadata_integer(value, &number) || number < 0 ? 0 : (uint64_t)number;
	}
	return 0;
}

static bool gguf_has(const struct format_file *file, const char *key)
{
	for (size_t i = 0; i < file->metadata_count; i++) {
		const char *dot = strchr(file->metadata[i].key, '.');

		if (dot && !strcmp(dot + 1, key))
			return true;
	}
	return false;
}

static void read_gguf(struct heads *heads, const struct format_file *file)
{
	const char *name = NULL;
	uint64_t values;
	size_t n = 0;

	for (size_t i = 0; i < file->metadata_count; i++)
		if (!strcmp(file->metadata[i].key, "general.architecture") &&
		    pinpool_metadata_string(&file->metadata[i], &name, &n))
			return;
	if (!name)
		return;
	/* Whoever makes such files puts one behind the other what a model has together. */
	heads->layout = HEADS_APART;
	heads->neurons = gguf_number(file, name, n, "feed_forward_length");
	heads->q = gguf_number(file, name, n, "attention.head_count");
	heads->kv = gguf_has(file, "attention.head_count_kv") ? gguf_number(file, name, n, "attention.head_count_kv")
							      : heads->q;
	heads->width = gguf_number(file, name, n, "attention.key_length");
	values = gguf_number(file, name, n, "attention.value_length");
	if (!heads->width && heads->q)
		heads->width = gguf_number(file, name, n, "embedding_length") / heads->q;
	if (values && values != heads->width)
		heads->width = 0;
}

/* 0 if there is no such number. */
static uint64_t number(const json_t *config, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(config, key));

	return value > 0 ? (uint64_t)value : 0;
}

static void read_config(struct heads *heads, const json_t *root)
{
	const json_t *text = json_object_get(root, "text_config"), *config = root;
	const char *model;

	/* Models of more than text have one in it for each of what they are of. */
	if (json_is_object(text) && !json_object_get(root, "num_attention_heads"))
		config = text;
	model = json_string_value(json_object_get(config, "model_type"));
	if (!model)
		model = json_string_value(json_object_get(root, "model_type"));
	if (model)
		format_quote(heads->model, sizeof(heads->model), model);
	for (size_t i = 0; model && i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (!strcmp(layouts[i].model, model))
			heads->layout = layouts[i].layout;
	heads->neurons = number(config, "intermediate_size");
	heads->q = number(config, "num_attention_heads");
	if (!heads->q)
		heads->q = number(config, "n_head");
	heads->kv = number(config, "num_key_value_heads");
	if (heads->layout == HEADS_TOGETHER)
		heads->kv = heads->q;
	/* Of this one the smallest has all queries before a single key and value, others as many keys as queries. */
	if (model && !strcmp(model, "falcon")) {
		if (json_is_true(json_object_get(config, "new_decoder_architecture")))
			heads->kv = number(config, "num_kv_heads");
		else if (!json_is_false(json_object_get(config, "multi_query")))
			heads->kv = 1;
	}
	if (!heads->kv)
		heads->kv = heads->q;
	heads->width = number(config, "head_dim");
	if (!heads->width && heads->q)
		heads->width = number(config, "hidden_size") / heads->q;
}

int heads_read(struct heads *heads, const struct checkpoint *checkpoint, struct pinpool_diag *diag)
{
	struct source source;
	char *path;
	json_t *root;
	int err;

	*heads = (struct heads){0};
	if (!checkpoint->count)
		return 0;
	if (!strcmp(checkpoint->files[0].format, "gguf")) {
		read_gguf(heads, &checkpoint->files[0]);
		return 0;
	}
	path = format_beside(&checkpoint->files[0].source, "config.json");
	if (!path)
		return diag_errno(diag, -ENOMEM, "config.json");
	if (access(path, F_OK)) {
		free(path);
		return 0;
	}
	err = source_open(&source, path, diag);
	free(path);
	if (err)
		return err;
	if (source.size > CONFIG_MAX)
		err = diag_set(diag, -EBADMSG, source.path, NULL, "a config.json of more than %u bytes", CONFIG_MAX);
	if (!err)
		err = format_read_json(&source, 0, source.size, &root, diag);
	if (!err) {
		read_config(heads, root);
		json_decref(root);
	}
	source_close(&source);
	return err;
}
