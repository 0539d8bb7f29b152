pub mod abi;
pub mod cot;
pub mod message;
