/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/*
 * What was found out of devices, in a small file of the user's: devices.json in PINPOOL_CACHE_DIR, else in "pinpool"
 * in XDG_CACHE_HOME or ~/.cache. It is a cache: without it, or with one that makes no sense, things are found out
 * again. A file is replaced whole; of two who write at the same time, one is heard.
 */
#ifndef PINPOOL_LOAD_SETTINGS_H
#define PINPOOL_LOAD_SETTINGS_H

#include "stream/stream.h"

/* What @device is read with by way @way. Returns 0, -ENOENT (nothing that makes sense is there), -ENOMEM. */
int settings_find(const char *device, const char *way, struct stream_tuning *tuning);
/* Remembers it. Returns 0, -ENOENT (the user has no place for it), -ENOMEM, -EACCES, -EROFS, ... */
int settings_keep(const char *device, const char *way, const struct stream_tuning *tuning);

#endif
