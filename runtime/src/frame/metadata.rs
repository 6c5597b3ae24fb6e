//! placeholder
/// x
pub fn encode(_version: u32) -> Option<Vec<u8>> {
    None
}
