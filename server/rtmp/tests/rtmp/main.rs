//! Both ends against real encoders and players, against each other, and against those who mean ill.

mod help;
mod interop;
mod peers;
mod round_trip;
mod strangers;
