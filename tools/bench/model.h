/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* The shapes of a transformer: known ones by name, others from the config.json beside their weights. */
#ifndef PINPOOL_TOOLS_BENCH_MODEL_H
#define PINPOOL_TOOLS_BENCH_MODEL_H

#include <pinpool/common.h>

struct bench_model {
	uint64_t hidden;
	uint64_t layers;
	uint64_t heads; /* of queries */
	uint64_t kv_heads; /* of keys and of values */
	uint64_t head_dim;
	uint64_t intermediate;
	uint64_t vocabulary;
	bool tied; /* the head is the embeddings */
};

/* A known model by its name, else the config.json at that path. Returns 0, -ENOENT, -EINVAL or what reading gave. */
int bench_model_find(const char *name, struct bench_model *model, struct pinpool_diag *diag);

/* The names that are known, with ", " between. */
#define BENCH_MODEL_NAMES "openpangu-embedded-1b, openpangu-embedded-7b"

#endif
