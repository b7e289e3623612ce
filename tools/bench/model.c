/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * Models; see model.h. A config.json that lacks what most models leave to a default gets that default: as many heads of
 * keys as of queries, heads that share the hidden dimension, and a head of its own.
 */
#include "bench/model.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum {
	/* No dimension or number of layers of any model is beyond it, and no product of three overflows. */
	MOST = 1 << 20,
};

static const struct {
	const char *name;
	struct bench_model model;
} known[] = {
	{"openpangu-embedded-1b", {1536, 26, 12, 6, 128, 6144, 153376, false}},
	{"openpangu-embedded-7b", {4096, 34, 32, 8, 128, 12800, 153376, false}},
};

static int fail(struct pinpool_diag *diag, int err, const char *object, const char *change)
{
	snprintf(diag->object, sizeof(diag->object), "%s", object);
	snprintf(diag->change, sizeof(diag->change), "%s", change);
	return err;
}

/* A number of the file, or @otherwise where it is not there; an @otherwise of 0 asks for it. */
static int take(const json_t *top, const char *key, uint64_t otherwise, uint64_t *number, struct pinpool_diag *diag)
{
	const json_t *value = json_object_get(top, key);

	if ((!value || json_is_null(value)) && otherwise) {
		*number = otherwise;
		return 0;
	}
	if (!value)
		snprintf(diag->cause, sizeof(diag->cause), "%s is missing", key);
	else if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > MOST)
		snprintf(diag->cause, sizeof(diag->cause), "%s is not a number from 1 to %d", key, MOST);
	else
		*number = json_integer_value(value);
	return *diag->cause ? -EINVAL : 0;
}

static int take_tied(const json_t *top, bool *tied, struct pinpool_diag *diag)
{
	const json_t *value = json_object_get(top, "tie_word_embeddings");

	if (value && !json_is_boolean(value)) {
		snprintf(diag->cause, sizeof(diag->cause), "tie_word_embeddings is neither true nor false");
		return -EINVAL;
	}
	*tied = json_is_true(value);
	return 0;
}

static int take_all(const json_t *top, struct bench_model *model, struct pinpool_diag *diag)
{
	int err = take(top, "hidden_size", 0, &model->hidden, diag);

	if (!err)
		err = take(top, "num_hidden_layers", 0, &model->layers, diag);
	if (!err)
		err = take(top, "num_attention_heads", 0, &model->heads, diag);
	if (!err)
		err = take(top, "num_key_value_heads", model->heads, &model->kv_heads, diag);
	if (!err)
		err = take(top, "head_dim", model->hidden / model->heads ? model->hidden / model->heads : 1,
			   &model->head_dim, diag);
	if (!err)
		err = take(top, "intermediate_size", 0, &model->intermediate, diag);
	if (!err)
		err = take(top, "vocab_size", 0, &model->vocabulary, diag);
	if (!err)
		err = take_tied(top, &model->tied, diag);
	return err;
}

int bench_model_find(const char *name, struct bench_model *model, struct pinpool_diag *diag)
{
	json_error_t error;
	json_t *top;
	FILE *file;
	size_t i;
	int err;

	*diag = (struct pinpool_diag){0};
	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!strcmp(known[i].name, name)) {
			*model = known[i].model;
			return 0;
		}
	}
	file = fopen(name, "re");
	if (!file) {
		err = -errno;
		return fail(diag, err, name, "a config.json, or one of " BENCH_MODEL_NAMES);
	}
	errno = 0;
	top = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
	fclose(file);
	if (!top) {
		snprintf(diag->cause, sizeof(diag->cause), "line %d: %s", error.line, error.text);
		return fail(diag, -EINVAL, name, "");
	}
	err = json_is_object(top) ? take_all(top, model, diag) : -EINVAL;
	if (err && !*diag->cause)
		snprintf(diag->cause, sizeof(diag->cause), "is not an object");
	json_decref(top);
	return err ? fail(diag, err, name, "the config.json of a transformer is what it takes") : 0;
}
