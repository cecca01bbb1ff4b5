//! Workers: started, watched, adopted.
