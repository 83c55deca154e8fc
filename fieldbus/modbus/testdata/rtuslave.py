# An RTU slave on pymodbus, for tests: rtuslave.py DEVICE BAUD. Register n holds n until it is written; coil n is on where n is odd.
import sys
import threading
import time

import serial_asyncio  # noqa: F401 (the server imports it late, and says nothing when it is not there)
from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartSerialServer
from pymodbus.transaction import ModbusRtuFramer


def table(of):
    return ModbusSequentialDataBlock(0, [of(n) for n in range(2000)])


slave = ModbusSlaveContext(di=table(lambda n: n & 1), co=table(lambda n: n & 1), hr=table(lambda n: n), ir=table(lambda n: n),
                           zero_mode=True)
threading.Thread(target=lambda: (time.sleep(0.3), print("ready", flush=True)), daemon=True).start()
StartSerialServer(context=ModbusServerContext(slaves=slave, single=True), port=sys.argv[1], baudrate=int(sys.argv[2]),
                  framer=ModbusRtuFramer)
