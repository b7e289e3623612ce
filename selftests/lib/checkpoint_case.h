/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* A test of what checkpoint_open() takes and refuses: a folder for files, and what came of opening one. */
#ifndef SELFTESTS_CHECKPOINT_CASE_H
#define SELFTESTS_CHECKPOINT_CASE_H

#include "checkpoints.h"
#include "format/format.h"
#include "harness.h"

#include <errno.h>

FIXTURE(checkpoint)
{
	char folder[PATH_MAX];
	struct checkpoint got;
	struct pinpool_diag diag;
};

FIXTURE_SETUP(checkpoint)
{
	make_folder(self->folder);
	memset(&self->got, 0, sizeof(self->got));
	memset(&self->diag, 0, sizeof(self->diag));
}

FIXTURE_TEARDOWN_PARENT(checkpoint)
{
	remove_folder(self->folder);
}

/*
 * Opens @name in the folder of the test and expects @err and, for failures, @text in object or cause. What was opened
 * before is closed.
 */
#define EXPECT_OPEN(name, err, text)                                                                                   \
	do {                                                                                                           \
		const char *path_ = in_folder(self->folder, name);                                                     \
		int got_;                                                                                              \
		checkpoint_close(&self->got);                                                                          \
		got_ = checkpoint_open(&self->got, path_, &self->diag);                                                \
		EXPECT_EQ(err, got_)                                                                                   \
		{                                                                                                      \
			TH_LOG("%s: %s: %s (%s)", path_, self->diag.object, self->diag.cause, self->diag.change);      \
		}                                                                                                      \
		if (err)                                                                                               \
			EXPECT_TRUE(strstr(self->diag.object, text) || strstr(self->diag.cause, text))                 \
			{                                                                                              \
				TH_LOG("want \"%s\", got %s: %s", (const char *)(text), self->diag.object,             \
				       self->diag.cause);                                                              \
			}                                                                                              \
		if (err)                                                                                               \
			EXPECT_NE('\0', self->diag.object[0]);                                                         \
	} while (0)

#endif
