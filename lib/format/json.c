/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* JSON out of a file that may be hostile: size-limited by the caller, strict, faults named by their offset. */
#include "base/diag.h"
#include "format/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int format_read_json(const struct source *source, uint64_t offset, size_t bytes, json_t **out,
		     struct pinpool_diag *diag)
{
	char at[512], cause[256];
	json_error_t error;
	char *text;
	int err;

	text = malloc(bytes ? bytes : 1);
	if (!text)
		return diag_errno(diag, -ENOMEM, source->path);
	err = source_read(source, text, bytes, offset, diag);
	if (err)
		goto out;
	if (!bytes || text[0] != '{') {
		err = diag_set(diag, -EBADMSG, source_at(source, offset, at, sizeof(at)), NULL,
			       "the JSON does not begin with '{'");
		goto out;
	}
	*out = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
	if (!*out && json_error_code(&error) == json_error_out_of_memory) {
		err = diag_errno(diag, -ENOMEM, source->path);
	} else if (!*out) {
		/* The parser quotes the text around the fault, whatever bytes that has. */
		err = diag_set(
			diag, -EBADMSG,
			source_at(source, offset + (uint64_t)(error.position > 0 ? error.position : 0), at, sizeof(at)),
			NULL, "invalid %s: %s", json_error_code(&error) == json_error_invalid_utf8 ? "UTF-8" : "JSON",
			format_quote(cause, sizeof(cause), error.text));
	}
out:
	free(text);
	return err;
}

const char *format_quote(char *buf, size_t size, const char *name)
{
	size_t used = 0;

	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		/* Room for an escape or the rest of a UTF-8 character, the dots and the end. The second bound is for
		 * bytes that are no UTF-8. */
		if ((used + 9 > size && (c & 0xc0) != 0x80) || used + 5 > size) {
			used += (size_t)snprintf(buf + used, size - used, "...");
			return buf;
		}
		if (c < 0x20 || c == 0x7f)
			used += (size_t)snprintf(buf + used, size - used, "\\x%02x", c);
		else
			buf[used++] = (char)c;
	}
	buf[used] = '\0';
	return buf;
}
