//! The SDK: keys, operations, queries; and the command line `allod`.
