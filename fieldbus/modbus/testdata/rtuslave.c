/* An RTU slave on libmodbus, for tests: rtuslave DEVICE BAUD serves unit 1. Holding register n and input register n hold n, and coil n
 * and discrete input n the lowest bit of n, until they are written. It says "ready" when it listens, and ends with its line.
 *
 * cc -o rtuslave rtuslave.c $(pkg-config --cflags --libs libmodbus) */
#include <errno.h>
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	modbus_t *line = modbus_new_rtu(argv[1], atoi(argv[2]), 'N', 8, 1);
	modbus_mapping_t *map = modbus_mapping_new(2000, 2000, 2000, 2000);
	if (!line || !map || modbus_set_slave(line, 1) || modbus_connect(line)) {
		fprintf(stderr, "rtuslave: %s\n", modbus_strerror(errno));
		return 1;
	}
	for (int n = 0; n < 2000; n++) {
		map->tab_registers[n] = map->tab_input_registers[n] = n;
		map->tab_bits[n] = map->tab_input_bits[n] = n & 1;
	}
	puts("ready");
	fflush(stdout);
	unsigned char request[MODBUS_RTU_MAX_ADU_LENGTH];
	for (;;) {
		int n = modbus_receive(line, request);
		if (n > 0)
			modbus_reply(line, request, n, map);
		else if (n < 0 && errno == EIO)
			return 0;
	}
}
