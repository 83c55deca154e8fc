/* libmodbus as the other end, and as the measure, of the client in Go.
 *
 *   libmodbus serve           serves up to 64 clients on a free port of this machine, which it prints
 *   libmodbus read PORT N M   reads N holding registers M times, and prints how many ns each took on average
 *
 * Registers hold their addresses, bits the lowest bit of theirs. Debian: gcc pkg-config libmodbus-dev. */
#include <arpa/inet.h>
#include <errno.h>
#include <modbus.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 65 }; /* and the listener */

static int fail(const char *what)
{
	fprintf(stderr, "libmodbus: %s: %s\n", what, modbus_strerror(errno));
	return 1;
}

static int serve(void)
{
	modbus_t *m = modbus_new_tcp("127.0.0.1", 0);
	modbus_mapping_t *map = modbus_mapping_new(65536, 65536, 65536, 65536);
	struct sockaddr_in at;
	socklen_t size = sizeof at;
	struct pollfd ends[CLIENTS];
	int count = 1, one = 1;

	if (!m || !map)
		return fail("memory");
	for (int i = 0; i < 65536; i++) {
		map->tab_registers[i] = map->tab_input_registers[i] = (uint16_t)i;
		map->tab_bits[i] = map->tab_input_bits[i] = i & 1;
	}
	ends[0].fd = modbus_tcp_listen(m, 8);
	ends[0].events = POLLIN;
	if (ends[0].fd < 0 || getsockname(ends[0].fd, (struct sockaddr *)&at, &size))
		return fail("listen");
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	while (poll(ends, count, -1) > 0) {
		for (int i = count - 1; i > 0; i--) {
			uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
			int n;
			if (!ends[i].revents)
				continue;
			modbus_set_socket(m, ends[i].fd);
			if ((n = modbus_receive(m, query)) < 0 || (n > 0 && modbus_reply(m, query, n, map) < 0)) {
				close(ends[i].fd);
				ends[i] = ends[--count];
			}
		}
		if (ends[0].revents && count < CLIENTS) {
			ends[count].fd = accept(ends[0].fd, NULL, NULL);
			ends[count].events = POLLIN;
			setsockopt(ends[count].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
			count += ends[count].fd >= 0;
		}
	}
	return fail("poll");
}

static double ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static int measure(int port, int registers, int times)
{
	modbus_t *m = modbus_new_tcp("127.0.0.1", port);
	uint16_t out[MODBUS_MAX_READ_REGISTERS];
	double begin = 0;

	if (!m || modbus_set_slave(m, 1) || modbus_connect(m))
		return fail("connect");
	modbus_set_response_timeout(m, 10, 0);
	for (int i = -times / 10; i < times; i++) {
		if (i == 0)
			begin = ns();
		if (modbus_read_registers(m, 10, registers, out) != registers || out[0] != 10)
			return fail("read");
	}
	printf("%.0f\n", (ns() - begin) / times);
	modbus_close(m);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 5 && !strcmp(argv[1], "read"))
		return measure(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	fprintf(stderr, "usage: libmodbus serve | libmodbus read PORT N M\n");
	return 2;
}
