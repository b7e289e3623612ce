/* SPDX-License-Identifier: MIT OR LGPL-2.1-or-later */
/* See metrics_server.h. */
#include "metrics_server.h"
#include "exposition.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
	/* Those who ask wait for one another; somebody who says nothing is not waited for longer. */
	MOST_CONNECTIONS = 16,
	PATIENCE_S = 10,
};

struct metrics_server {
	struct pinpool_ctx *ctx;
	struct MHD_Daemon *daemon;
};

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned int status, char *text, size_t size,
			      enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(size, text, mode);
	enum MHD_Result result;

	if (!response) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, EXPOSITION_TYPE);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection, unsigned int status, char *text)
{
	return answer(connection, status, text, strlen(text), MHD_RESPMEM_PERSISTENT);
}

/* Called for a request when its head is there, and again for its body, of which there should be none. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
				  const char *version, const char *data, size_t *data_size, void **state)
{
	static char not_found[] = "/metrics is all there is\n", not_allowed[] = "GET or HEAD\n",
		    failed[] = "pools cannot be looked at\n";
	struct metrics_server *server = arg;
	struct pinpool_diag diag;
	size_t size;
	char *text;

	if (strcmp(url, "/metrics"))
		return say(connection, MHD_HTTP_NOT_FOUND, not_found);
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED, not_allowed);
	if (exposition_make(server->ctx, &text, &size, &diag))
		return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, failed);
	return answer(connection, MHD_HTTP_OK, text, size, MHD_RESPMEM_MUST_FREE);
}

/* Address and port out of "PORT", "ADDRESS:PORT", "[ADDRESS]:PORT". Returns an addrinfo for freeaddrinfo(), or NULL. */
static struct addrinfo *find_address(const char *where)
{
	struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	char host[64] = "127.0.0.1", *end;
	const char *port = strrchr(where, ':');
	struct addrinfo *found;
	size_t length;
	long number;

	if (port) {
		length = (size_t)(port - where);
		if (*where == '[' && length > 1 && where[length - 1] == ']') {
			where++;
			length -= 2;
		} else if (memchr(where, ':', length)) {
			return NULL;
		}
		if (!length || length >= sizeof(host))
			return NULL;
		memcpy(host, where, length);
		host[length] = '\0';
	}
	port = port ? port + 1 : where;
	number = strtol(port, &end, 10);
	if (*port < '0' || *port > '9' || *end || number < 1 || number > 65535)
		return NULL;
	return getaddrinfo(host, port, &hints, &found) ? NULL : found;
}

int metrics_server_begin(struct metrics_server **out, struct pinpool_ctx *ctx, const char *where,
			 struct pinpool_diag *diag)
{
	struct addrinfo *address = find_address(where);
	struct metrics_server *server;
	unsigned int flags;
	int err = 0;

	if (!address)
		return -EINVAL;
	server = calloc(1, sizeof(*server));
	if (!server) {
		freeaddrinfo(address);
		return -ENOMEM;
	}
	server->ctx = ctx;
	flags = MHD_USE_INTERNAL_POLLING_THREAD | (address->ai_family == AF_INET6 ? MHD_USE_IPv6 : 0);
	errno = 0;
	server->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR,
					  address->ai_addr, MHD_OPTION_CONNECTION_LIMIT, (unsigned int)MOST_CONNECTIONS,
					  MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)PATIENCE_S, MHD_OPTION_END);
	if (!server->daemon) {
		err = errno ? -errno : -EIO;
		snprintf(diag->object, sizeof(diag->object), "%s", where);
		free(server);
	} else {
		*out = server;
	}
	freeaddrinfo(address);
	return err;
}

void metrics_server_end(struct metrics_server *server)
{
	MHD_stop_daemon(server->daemon);
	free(server);
}
