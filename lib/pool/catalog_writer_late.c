/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* What becomes known of tensors and sources when all of them are there: digests, errors of codes. */
#include "pool/catalog_writer_internal.h"

#include <string.h>

void catalog_writer_source_digest(struct catalog_writer *writer, size_t index,
				  const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	struct catalog_source *entry = (struct catalog_source *)writer->sources.at + index;

	entry->flags |= CATALOG_HAS_DIGEST;
	memcpy(entry->digest, digest, sizeof(entry->digest));
}

void catalog_writer_tensor_digest(struct catalog_writer *writer, size_t index,
				  const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	struct catalog_tensor *entry = (struct catalog_tensor *)writer->tensors.at + index;

	entry->flags |= CATALOG_HAS_DIGEST;
	memcpy(entry->digest, digest, sizeof(entry->digest));
}

static void store_sha256(struct catalog_sha256 *entry, const uint8_t sha256[PINPOOL_SHA256_BYTES])
{
	entry->flags |= CATALOG_HAS_DIGEST;
	memcpy(entry->digest, sha256, sizeof(entry->digest));
}

void catalog_writer_source_sha256(struct catalog_writer *writer, size_t index,
				  const uint8_t sha256[PINPOOL_SHA256_BYTES])
{
	store_sha256(&writer->sha256[writer->tensors.count + index], sha256);
}

void catalog_writer_tensor_sha256(struct catalog_writer *writer, size_t index,
				  const uint8_t sha256[PINPOOL_SHA256_BYTES])
{
	store_sha256(&writer->sha256[index], sha256);
}

void catalog_writer_source_rest(struct catalog_writer *writer, size_t index, const uint8_t digest[PINPOOL_DIGEST_BYTES])
{
	writer->rests[index].flags |= CATALOG_HAS_DIGEST;
	memcpy(writer->rests[index].digest, digest, sizeof(writer->rests[index].digest));
}

void catalog_writer_tensor_error(struct catalog_writer *writer, size_t index, double error)
{
	struct catalog_code *codes = writer->codes.at;
	size_t low = 0, high = writer->codes.count;

	/* The first that is not before the tensor, which has one. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (codes[middle].tensor < index)
			low = middle + 1;
		else
			high = middle;
	}
	codes[low].error = error;
}
