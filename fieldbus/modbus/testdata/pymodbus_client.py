# pymodbus as a Modbus TCP client of the server at the port that it is given: every function that the server has, and one that it has
# not. It prints what came back. Debian: python3-pymodbus.
import sys

from pymodbus.client import ModbusTcpClient

c = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]))
assert c.connect()


def show(what, r, field):
    print(what, ("exception %d" % r.exception_code) if r.isError() else getattr(r, field))


show("1", c.read_coils(10, 3, slave=1), "bits")
show("2", c.read_discrete_inputs(20, 3, slave=1), "bits")
show("3", c.read_holding_registers(30, 3, slave=1), "registers")
show("4", c.read_input_registers(40, 3, slave=1), "registers")
show("5", c.write_coil(11, True, slave=1), "value")
show("6", c.write_register(31, 4711, slave=1), "value")
show("15", c.write_coils(12, [True, False, True], slave=1), "count")
show("16", c.write_registers(32, [1, 2, 65535], slave=1), "count")
show("3", c.read_holding_registers(65535, 1, slave=1), "registers")
show("22", c.mask_write_register(30, 1, 2, slave=1), "and_mask")
c.close()
