# Prints values of every type as the registers that pymodbus makes of them: type, order, value as bits, registers.
from pymodbus.constants import Endian
from pymodbus.payload import BinaryPayloadBuilder as Builder

values = {
    "int16": [0, 1, -1, 258, -32768, 32767],
    "uint16": [0, 1, 258, 65535],
    "int32": [0, 1, -1, 16909060, -2147483648, 2147483647],
    "uint32": [0, 1, 16909060, 4294967295],
    "int64": [0, 1, -1, 72623859790382856, -9223372036854775808, 9223372036854775807],
    "uint64": [0, 1, 72623859790382856, 9223372036854775807],
    "float32": [0.0, 1.0, -1.5, 3.4028234663852886e38, 1e-45, float("inf"), float("nan")],
    "float64": [0.0, 1.0, -1.5, 1.7976931348623157e308, 5e-324, float("-inf"), float("nan")],
}
add = {"int16": "add_16bit_int", "uint16": "add_16bit_uint", "int32": "add_32bit_int", "uint32": "add_32bit_uint", "int64": "add_64bit_int",
       "uint64": "add_64bit_uint", "float32": "add_32bit_float", "float64": "add_64bit_float"}
orders = {"ABCD": (Endian.Big, Endian.Big), "CDAB": (Endian.Big, Endian.Little), "BADC": (Endian.Little, Endian.Big),
          "DCBA": (Endian.Little, Endian.Little)}


def registers(kind, value, order):
    b = Builder(byteorder=order[0], wordorder=order[1])
    getattr(b, add[kind])(value)
    return "".join("%04x" % (part[0] << 8 | part[1]) for part in b.build())


for kind in values:
    for name in orders:
        for v in values[kind]:
            print(kind, name, registers(kind, v, orders["ABCD"]), registers(kind, v, orders[name]))
