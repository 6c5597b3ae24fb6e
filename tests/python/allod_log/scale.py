"""SCALE, strictly. Source: spec/encodings.md §1.

A type is an object with `read(reader)` and `write(value)`. Structs become named tuples, enums `Variant`s; both
compare as spec/README.md's *ascending* asks for: enums by index and then fields, structs field by field.
"""

from collections import namedtuple


class Undecodable(Exception):
    """The bytes are no canonical encoding of the type."""


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Undecodable("bytes end early")
        self.at += count
        return self.data[self.at - count : self.at]


class UInt:
    def __init__(self, size):
        self.size = size

    def read(self, reader):
        return int.from_bytes(reader.take(self.size), "little")

    def write(self, value):
        return value.to_bytes(self.size, "little")


class Bool:
    def read(self, reader):
        byte = reader.take(1)[0]
        if byte > 1:
            raise Undecodable("a bool is 0 or 1")
        return byte == 1

    def write(self, value):
        return bytes([value])


class Fixed:
    def __init__(self, size):
        self.size = size

    def read(self, reader):
        return bytes(reader.take(self.size))

    def write(self, value):
        assert len(value) == self.size
        return value


class Compact:
    @staticmethod
    def read(reader):
        first = reader.take(1)[0]
        mode, more = first & 3, (0, 1, 3, None)[first & 3]
        if more is None:
            raise Undecodable("a count this large does not occur")
        value = (first | int.from_bytes(reader.take(more), "little") << 8) >> 2
        if mode and value < (0, 1 << 6, 1 << 14)[mode]:
            raise Undecodable("a count in more bytes than it needs")
        return value

    @staticmethod
    def write(value):
        if value < 1 << 6:
            return bytes([value << 2])
        if value < 1 << 14:
            return (value << 2 | 1).to_bytes(2, "little")
        return (value << 2 | 2).to_bytes(4, "little")


class List:
    def __init__(self, element, most):
        self.element, self.most = element, most

    def read(self, reader):
        count = Compact.read(reader)
        if count > self.most:
            raise Undecodable("more elements than the maximum")
        return tuple(self.element.read(reader) for _ in range(count))

    def write(self, value):
        return Compact.write(len(value)) + b"".join(map(self.element.write, value))


class Bytes:
    def __init__(self, most):
        self.most = most

    def read(self, reader):
        count = Compact.read(reader)
        if count > self.most:
            raise Undecodable("more bytes than the maximum")
        return bytes(reader.take(count))

    def write(self, value):
        return Compact.write(len(value)) + value


class Text(Bytes):
    def read(self, reader):
        try:
            text = super().read(reader).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Undecodable("text is not UTF-8") from error
        if not self.fits(text):
            raise Undecodable("text holds a control character")
        return text

    def write(self, value):
        return super().write(value.encode("utf-8"))

    def fits(self, text):
        controls = any(ord(c) < 0x20 or ord(c) == 0x7F for c in text)
        return not controls and len(text.encode("utf-8")) <= self.most


class Array:
    def __init__(self, element, count):
        self.element, self.count = element, count

    def read(self, reader):
        return tuple(self.element.read(reader) for _ in range(self.count))

    def write(self, value):
        return b"".join(map(self.element.write, value))


Some = namedtuple("Some", "value")


class Option:
    """Absent is None; present the value. An option in an option is `Some(inner)`, so that both differ."""

    def __init__(self, inner):
        self.inner = inner
        self.nested = isinstance(inner, Option)

    def read(self, reader):
        byte = reader.take(1)[0]
        if byte > 1:
            raise Undecodable("an option is 0 or 1")
        if byte == 0:
            return None
        value = self.inner.read(reader)
        return Some(value) if self.nested else value

    def write(self, value):
        if value is None:
            return b"\0"
        return b"\1" + self.inner.write(value.value if self.nested else value)


class Struct:
    """Called with its fields' values, or with names, it makes a value."""

    def __init__(self, name, **fields):
        self.fields = fields
        self.make = namedtuple(name, fields)

    def __call__(self, *values, **named):
        return self.make(*values, **named)

    def read(self, reader):
        return self.make(*(kind.read(reader) for kind in self.fields.values()))

    def write(self, value):
        return b"".join(kind.write(part) for kind, part in zip(self.fields.values(), value, strict=True))


Variant = namedtuple("Variant", "index name value")


class Enum:
    """`variants`: name = type of its content, or None, in the order of their indices."""

    def __init__(self, **variants):
        self.variants = list(variants.items())

    def __call__(self, name, value=None):
        index = [known for known, _ in self.variants].index(name)
        return Variant(index, name, value)

    def read(self, reader):
        index = reader.take(1)[0]
        if index >= len(self.variants):
            raise Undecodable("unknown variant")
        name, kind = self.variants[index]
        return Variant(index, name, kind.read(reader) if kind else None)

    def write(self, value):
        kind = self.variants[value.index][1]
        return bytes([value.index]) + (kind.write(value.value) if kind else b"")


def decode(kind, data):
    """Decodes a value that fills `data` exactly."""
    reader = Reader(data)
    value = kind.read(reader)
    if reader.at != len(data):
        raise Undecodable("bytes after the value")
    return value
