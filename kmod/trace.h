/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: /sys/kernel/tracing/events/pinpool/. What they are for and how to read them is in docs/observability.md.
 *
 * A call is recorded when it ends, with what it says in err (0 or -errno); what was refused for its form alone never
 * was a call. Names are copied, since a pool may be gone when its events are read.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pinpool

#if !defined(PINPOOL_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define PINPOOL_TRACE_H

#include <linux/fcntl.h>
#include <linux/string.h>
#include <linux/tracepoint.h>

#include "pinpool.h"

TRACE_DEFINE_ENUM(PINPOOL_STATE_EMPTY);
TRACE_DEFINE_ENUM(PINPOOL_STATE_LOADING);
TRACE_DEFINE_ENUM(PINPOOL_STATE_READY);

#define pinpool_show_state(_state)					\
	__print_symbolic(_state,					\
			 { PINPOOL_STATE_EMPTY, "empty" },		\
			 { PINPOOL_STATE_LOADING, "loading" },		\
			 { PINPOOL_STATE_READY, "ready" })

TRACE_EVENT(pinpool_create,
	TP_PROTO(const struct pinpool_params *params, int err),
	TP_ARGS(params, err),
	TP_STRUCT__entry(
		__array(char, name, PINPOOL_NAME_MAX + 1)
		__field(u64, capacity)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->name, params->name, sizeof(__entry->name));
		__entry->capacity = params->capacity;
		__entry->err = err;
	),
	TP_printk("pool=%s capacity=%llu err=%d", __entry->name, __entry->capacity, __entry->err)
);

TRACE_EVENT(pinpool_destroy,
	TP_PROTO(const char *name, int err),
	TP_ARGS(name, err),
	TP_STRUCT__entry(
		__array(char, name, PINPOOL_NAME_MAX + 1)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->name, name, sizeof(__entry->name));
		__entry->err = err;
	),
	TP_printk("pool=%s err=%d", __entry->name, __entry->err)
);

/* A pool gives way to another. */
TRACE_EVENT(pinpool_evict,
	TP_PROTO(const struct pinpool_pool *pool),
	TP_ARGS(pool),
	TP_STRUCT__entry(
		__array(char, name, PINPOOL_NAME_MAX + 1)
		__field(u64, bytes)
		__field(s32, priority)
	),
	TP_fast_assign(
		strscpy(__entry->name, dev_name(&pool->dev), sizeof(__entry->name));
		__entry->bytes = (u64)READ_ONCE(pool->pages.nr_held) << PINPOOL_PAGE_SHIFT;
		__entry->priority = pool->priority;
	),
	TP_printk("pool=%s bytes=%llu priority=%d", __entry->name, __entry->bytes, __entry->priority)
);

/* @page: index of the huge page. @zeroed: whether it had to be cleared for this. */
TRACE_EVENT(pinpool_fault,
	TP_PROTO(const struct pinpool_pool *pool, unsigned long page, bool write, bool zeroed, int err),
	TP_ARGS(pool, page, write, zeroed, err),
	TP_STRUCT__entry(
		__array(char, name, PINPOOL_NAME_MAX + 1)
		__field(unsigned long, page)
		__field(u8, write)
		__field(u8, zeroed)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->name, dev_name(&pool->dev), sizeof(__entry->name));
		__entry->page = page;
		__entry->write = write;
		__entry->zeroed = zeroed;
		__entry->err = err;
	),
	TP_printk("pool=%s page=%lu write=%u zeroed=%u err=%d", __entry->name, __entry->page, __entry->write,
		  __entry->zeroed, __entry->err)
);

/* A load begins. @state is the pool's afterwards: it says why not, if so. */
TRACE_EVENT(pinpool_load,
	TP_PROTO(const struct pinpool_pool *pool, int err),
	TP_ARGS(pool, err),
	TP_STRUCT__entry(
		__array(char, name, PINPOOL_NAME_MAX + 1)
		__field(u32, state)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->name, dev_name(&pool->dev), sizeof(__entry->name));
		__entry->state = READ_ONCE(pool->state);
		__entry->err = err;
	),
	TP_printk("pool=%s state=%s err=%d", __entry->name, pinpool_show_state(__entry->state), __entry->err)
);

TRACE_EVENT(pinpool_commit,
	TP_PROTO(const struct pinpool_pool *pool, u64 length, int err),
	TP_ARGS(pool, length, err),
	TP_STRUCT__entry(
		__array(char, name, PINPOOL_NAME_MAX + 1)
		__field(u64, length)
		__field(u32, state)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->name, dev_name(&pool->dev), sizeof(__entry->name));
		__entry->length = length;
		__entry->state = READ_ONCE(pool->state);
		__entry->err = err;
	),
	TP_printk("pool=%s length=%llu state=%s err=%d", __entry->name, __entry->length,
		  pinpool_show_state(__entry->state), __entry->err)
);

/* @closed: nobody asked; the writer's file was closed, perhaps because it was killed. */
TRACE_EVENT(pinpool_abort,
	TP_PROTO(const struct pinpool_pool *pool, bool closed, int err),
	TP_ARGS(pool, closed, err),
	TP_STRUCT__entry(
		__array(char, name, PINPOOL_NAME_MAX + 1)
		__field(u8, closed)
		__field(u32, state)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->name, dev_name(&pool->dev), sizeof(__entry->name));
		__entry->closed = closed;
		__entry->state = READ_ONCE(pool->state);
		__entry->err = err;
	),
	TP_printk("pool=%s closed=%u state=%s err=%d", __entry->name, __entry->closed,
		  pinpool_show_state(__entry->state), __entry->err)
);

TRACE_EVENT(pinpool_export,
	TP_PROTO(const struct pinpool_pool *pool, const struct pinpool_export *export, int err),
	TP_ARGS(pool, export, err),
	TP_STRUCT__entry(
		__array(char, name, PINPOOL_NAME_MAX + 1)
		__field(u64, offset)
		__field(u64, length)
		__field(u8, write)
		__field(int, err)
	),
	TP_fast_assign(
		strscpy(__entry->name, dev_name(&pool->dev), sizeof(__entry->name));
		__entry->offset = export->offset;
		__entry->length = export->length;
		__entry->write = !!(export->fd_flags & O_RDWR);
		__entry->err = err;
	),
	TP_printk("pool=%s offset=%llu length=%llu write=%u err=%d", __entry->name, __entry->offset, __entry->length,
		  __entry->write, __entry->err)
);

#endif /* PINPOOL_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
