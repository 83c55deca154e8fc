# pymodbus as a Modbus TCP server on a free port of this machine, which it prints. Registers hold their addresses, bits the lowest bit
# of theirs. Debian: python3-pymodbus.
import asyncio

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server.async_io import ModbusTcpServer


async def main():
    registers = list(range(65536))
    bits = [bool(i & 1) for i in registers]
    store = ModbusSlaveContext(di=ModbusSequentialDataBlock(0, bits[:]), co=ModbusSequentialDataBlock(0, bits[:]),
                               hr=ModbusSequentialDataBlock(0, registers[:]), ir=ModbusSequentialDataBlock(0, registers[:]), zero_mode=True)
    server = ModbusTcpServer(ModbusServerContext(slaves=store, single=True), address=("127.0.0.1", 0))
    task = asyncio.ensure_future(server.serve_forever())
    while not (server.server and server.server.sockets):
        await asyncio.sleep(0.01)
    print(server.server.sockets[0].getsockname()[1], flush=True)
    await task


asyncio.run(main())
