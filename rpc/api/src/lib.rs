//! The JSON-RPC contract: methods, types and the table of error codes.
