"""Streamlit pages: pick, query, draw."""
