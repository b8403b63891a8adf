"""Fibers in gdb: `source tools/gdb.py`, then `fibers` and `fiber N` (works on a core file too).

A suspended fiber is a stack without a thread. What context_jump left on it says where to go on; on x86-64
six registers and the return address (see src/rt/switch.c)."""
import gdb



def fibers():
    """(loop number, fiber) of every loop, in the order of their lists."""
    count = int(gdb.parse_and_eval("'real_loop.c'::nloops"))
    loops = gdb.parse_and_eval("'real_loop.c'::loops")
    fiber_type = gdb.lookup_type("struct fiber")
    offset = next(int(f.bitpos) // 8 for f in fiber_type.fields() if f.name == "all")
    for number in range(count):
        head = loops[number]["loop"]["fibers"]
        link = head["next"]
        while link != head.address:
            at = int(link) - offset
            yield number, gdb.Value(at).cast(fiber_type.pointer()).dereference()
            link = link["next"]


def saved(fiber):
    """The registers of a suspended fiber."""
    sp = int(fiber["context"]["sp"])
    words = gdb.Value(sp).cast(gdb.lookup_type("unsigned long").pointer())
    names = ("r15", "r14", "r13", "r12", "rbx", "rbp", "rip")
    registers = {name: int(words[i]) for i, name in enumerate(names)}
    registers["rsp"] = sp + 8 * len(names)
    return registers


def is_running(fiber):
    return int(fiber["loop"].dereference()["current"]) == int(fiber.address)


def backtrace(registers):
    """Lends the fiber's registers to the selected thread, prints, gives them back."""
    kept = {name: int(gdb.parse_and_eval(f"(unsigned long)${name}")) for name in registers}
    try:
        for name, value in registers.items():
            gdb.execute(f"set ${name} = {value}", to_string=True)
        return gdb.execute("backtrace", to_string=True)
    finally:
        gdb.execute("frame 0", to_string=True)
        for name, value in kept.items():
            gdb.execute(f"set ${name} = {value}", to_string=True)


def place(registers):
    """The first frames that are not the runtime's, by symbol, without changing any register."""
    block = gdb.find_pc_line(registers["rip"])
    symbol = gdb.execute(f"info symbol {registers['rip']}", to_string=True).split(" in section")[0].strip()
    return f"{symbol} ({block.symtab}:{block.line})" if block.symtab else symbol


class Fibers(gdb.Command):
    """fibers: lists the fibers of every loop: number, loop, state, name."""

    def __init__(self):
        super().__init__("fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for n, (loop, fiber) in enumerate(fibers()):
            name = fiber["name"].string() if int(fiber["name"]) else "-"
            where = "running" if is_running(fiber) else place(saved(fiber))
            print(f"{n:4} loop {loop} {fiber['state']} {name}: {where}")


class Fiber(gdb.Command):
    """fiber N: the stack of a suspended fiber, by its number in `fibers` (a live process, x86-64)."""

    def __init__(self):
        super().__init__("fiber", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for n, (_, fiber) in enumerate(fibers()):
            if n == int(argument):
                print("it is running: see its thread" if is_running(fiber) else backtrace(saved(fiber)), end="")
                return
        raise gdb.GdbError("there is no fiber of that number")


Fibers()
Fiber()
