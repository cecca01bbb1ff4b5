//! Compares desired with observed and sends orders.
