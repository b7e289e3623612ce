/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What a model says of its attention heads, as far as cutting it for ranks needs: in the metadata of its GGUF file, or
 * in the config.json that hubs put beside safetensors.
 */
#ifndef PINPOOL_LOAD_HEADS_H
#define PINPOOL_LOAD_HEADS_H

#include "format/format.h"

/**
 * enum heads_layout - where queries, keys and values are in a projection of all three
 * @HEADS_UNKNOWN: nobody says
 * @HEADS_APART: all queries, then all keys, then all values
 * @HEADS_TOGETHER: one group of heads after the other: its queries, its key and its value
 */
enum heads_layout {
	HEADS_UNKNOWN = 0,
	HEADS_APART,
	HEADS_TOGETHER,
};

/**
 * struct heads - what is known, zero what is not
 * @q: heads of queries
 * @kv: heads of keys, and as many of values
 * @width: values of a head, of whatever it is
 * @neurons: between the two products of a feed-forward layer
 * @layout: of fused projections
 * @model: type of model by config.json, or empty
 */
struct heads {
	uint64_t q;
	uint64_t kv;
	uint64_t width;
	uint64_t neurons;
	enum heads_layout layout;
	char model[64];
};

/* Returns 0, whatever is known, or -EBADMSG (a config.json that is no JSON), -ENOMEM, -EIO, ... */
int heads_read(struct heads *heads, const struct checkpoint *checkpoint, struct pinpool_diag *diag);

#endif
